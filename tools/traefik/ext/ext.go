// Package ext stands in for a folder of Traefik that is a Go module of its own and is not in the released zip.
// Traefik's configuration embeds these two types; both are empty upstream too.
package ext

// HTTP holds no extension of the HTTP configuration.
type HTTP struct{}

// Router holds no extension of a router.
type Router struct{}
