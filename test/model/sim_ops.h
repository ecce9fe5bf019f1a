/* What happens to the simulated world from outside: intents of users, hands, machines and networks. */
#ifndef SIM_OPS_H
#define SIM_OPS_H

#include "sim.h"

enum op {
	OP_END,
	OP_APP, /* argument: enum sim_app */
	OP_NONCE,
	OP_REPLICAS, /* argument */
	OP_SUSPEND,
	OP_RESUME,
	OP_DELETE,
	OP_SETTLE,
	OP_RUN,   /* argument: ms */
	OP_KILL,  /* container number, by hand */
	OP_CRASH, /* the application dies by itself */
	OP_REMOVE,
	OP_PAUSE,
	OP_DETACH,
	OP_RENAME,
	OP_LIMITS,
	OP_RELABEL,
	OP_POLICY,
	OP_HANG,
	OP_UNHANG,
	OP_FREEZE, /* all: the engine lost its health monitors */
	OP_REBOOT,
	OP_TRAEFIK,  /* argument: 0 away, 1 back */
	OP_MISS,     /* Traefik misses the next change */
	OP_REGISTRY, /* argument: 0 away, 1 back */
	OP_EXPOSE,
	OP_VOLUME,
	OP_RELEASE,     /* argument: enum sim_release */
	OP_PUSH,        /* argument: enum sim_app; the Service follows the repository from then on */
	OP_PUSH_SAME,   /* a commit with the tree of the one before */
	OP_PUSH_BROKEN, /* its build fails */
	OP_HOOK,        /* a webhook that isn't believed */
	OP_PIN,         /* argument: commit, 0: no pin any more */
	OP_ROLLBACK,    /* argument: how many revisions back; 0: none */
	OP_FLUSH,       /* Redis lost everything */
	OP_REDIS,       /* argument: 0 away, 1 back */
	OP_WORKERS,     /* the same; what they do is lost */
	OP_GIT,
	OP_EAT,         /* a stranger's worker ends our jobs (1), or takes them and does nothing (0) */
	OP_IMAGES_GONE, /* of all builds */
	OP_RESTORE,     /* argument: so many of the newest Deployments are not in the backup */
	OP_ACCEPT,      /* a person accepts it */
	OP_FOREIGN,     /* somebody makes a container with the name of replica 0 of this revision */
};

struct step {
	enum op op;
	int argument;
};

void sim_op(struct sim *sim, const struct step *step);

#endif
