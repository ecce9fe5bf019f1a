//go:build tools

// Package tools pins the stock Traefik that `build` compiles: nothing of it is linked into our own programs.
package tools

import _ "github.com/traefik/traefik/v3/cmd/traefik"
