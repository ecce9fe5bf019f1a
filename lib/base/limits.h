/* Every size that comes from outside has its limit here, with the reason. Units last in the name. */
#ifndef HC_LIMITS_H
#define HC_LIMITS_H

/* Requests. 3 MiB is what a Kubernetes API server takes; larger manifests are a mistake. */
#define HC_LIMIT_REQUEST_BODY_BYTES (3U * 1024 * 1024)
#define HC_LIMIT_WEBHOOK_BODY_BYTES (25U * 1024 * 1024) /* what GitHub sends at most */
#define HC_LIMIT_GIT_PUSH_BYTES (32U * 1024 * 1024) /* to the repository that `helvetia up` serves */
#define HC_LIMIT_LARGE_BODIES_BYTES (96U * 1024 * 1024) /* of all bodies being read, what they have beyond that */
#define HC_LIMIT_HEADER_BYTES 16384 /* request line and headers; also a connection's memory in libmicrohttpd */
#define HC_LIMIT_HEADER_DEADLINE_MS 10000
#define HC_LIMIT_BODY_DEADLINE_MS 60000
#define HC_LIMIT_KEEP_ALIVE_MS 75000 /* idle between two requests of one connection */
#define HC_LIMIT_CONNECTIONS 1024
#define HC_LIMIT_WATCHES 512 /* open watch and log streams per API process */
#define HC_LIMIT_WATCH_BACKLOG_EVENTS                                                                        \
	4096 /* a watcher further behind is cut; it resumes by resourceVersion */
#define HC_LIMIT_WATCH_BACKLOG_BYTES (64U * 1024 * 1024) /* the same, also counting its first list */
#define HC_LIMIT_LOG_PENDING_BYTES (256U * 1024) /* of a log stream: its source is paused until the peer has taken it */

/* Documents. Depth and nodes count alias expansion, so that an alias bomb costs nothing. */
#define HC_LIMIT_DOCUMENT_DEPTH 100
#define HC_LIMIT_DOCUMENT_NODES 100000
#define HC_LIMIT_DOCUMENT_ANCHORS 1000
#define HC_LIMIT_ALIAS_TEXT_BYTES (4U * 1024 * 1024) /* text that aliases copy, in a whole stream */
#define HC_LIMIT_DOCUMENTS_PER_STREAM 1000
#define HC_LIMIT_FIELD_MANAGERS 100       /* entries of managedFields: each apply walks them all */
#define HC_LIMIT_FIELD_MANAGER_BYTES 128  /* as Kubernetes */
#define HC_LIMIT_LAST_APPLIED_BYTES (256U * 1024) /* what Kubernetes allows all annotations together */
#define HC_LIMIT_VALIDATION_CAUSES 20 /* reported causes per object; the rest is counted */

/* Objects. */
#define HC_LIMIT_NAME_BYTES 63         /* RFC 1123 label */
#define HC_LIMIT_SERVICE_NAME_BYTES 40 /* leaves room for -rREVISION-ORDINAL-HASH in one label */
#define HC_LIMIT_HOST_BYTES 253        /* RFC 1035 */
#define HC_LIMIT_REPLICAS 50
#define HC_LIMIT_DOMAINS 50
#define HC_LIMIT_ENV_ENTRIES 200
#define HC_LIMIT_ENV_VALUE_BYTES (32U * 1024)
#define HC_LIMIT_VOLUMES 16
#define HC_LIMIT_LIST_PAGE 500
#define HC_LIMIT_DEPLOYMENTS_PER_SERVICE 100 /* observed at once; historyLimit keeps it lower */

/* Controller. */
#define HC_LIMIT_WORKQUEUE_KEYS 100000
#define HC_LIMIT_PLAN_ACTIONS 512
#define HC_LIMIT_SLOW_KEYS 1024                  /* keys that wait for an image pull; more back off */
#define HC_LIMIT_PUBLIC_ANSWER_BYTES (64U * 1024) /* read of an application's page: only its status matters */
#define HC_LIMIT_LOG_STREAMS 64                  /* containers whose log is read for somebody: a thread each */
#define HC_LIMIT_LOG_LINE_BYTES (64U * 1024)     /* a longer line is cut in pieces before it gets its prefix */
#define HC_LIMIT_LOG_BACKLOG_BYTES (1024U * 1024) /* a reader further behind holds up its own source */
#define HC_LIMIT_EVENT_MESSAGE_BYTES 1024
#define HC_LIMIT_LOG_TAIL_BYTES (256U * 1024) /* kept of a container when it is removed (design 9) */

/* Change log: kept one hour or this many rows (design 6); a watcher behind it gets 410. */
#define HC_LIMIT_CHANGE_LOG_ROWS 100000
#define HC_LIMIT_CHANGE_LOG_AGE_MS (3600 * 1000)

/* Store. */
#define HC_LIMIT_EVENT_AGE_MS (24 * 3600 * 1000)
#define HC_LIMIT_EVENT_FOLD_MS (3600 * 1000) /* the same Event within this time raises a count */
#define HC_LIMIT_SECRET_BYTES (1024U * 1024) /* all values of one Secret together; as Kubernetes */
#define HC_LIMIT_SECRET_GRACE_MS (3600 * 1000) /* a retired value stays: a Deployment with it may just be made */
#define HC_LIMIT_STORE_QUESTIONS 4096        /* open at once on a stream: all connections and watches, and room */
#define HC_LIMIT_STORE_ANSWER_MS 15000       /* longer than the server's statement_timeout: then the line is dead */
#define HC_LIMIT_STORE_CONNECT_MS 5000
#define HC_LIMIT_STORE_BACKOFF_MS 1000 /* between attempts to connect; begins at a twentieth */

/* Answers of others. */
#define HC_LIMIT_DOCKER_ANSWER_BYTES (64U * 1024 * 1024) /* a list of thousands of containers */
#define HC_LIMIT_DOCKER_IMPORT_MS (10 * 60 * 1000)         /* upload of one tar from the disk */
#define HC_LIMIT_DOCKER_LINE_BYTES (1024U * 1024)        /* one event or one step of a pull */
#define HC_LIMIT_DOCKER_ERROR_BYTES (64U * 1024)         /* of a refusal */
#define HC_LIMIT_HTTP_ANSWER_BYTES (8U * 1024 * 1024)

/* Work for workers. What waits in the queue has no deadline: it says why it waits. */
#define HC_LIMIT_RESOLVE_MS (15 * 60 * 1000) /* of one attempt, from its claim on: then its worker ends it */
#define HC_LIMIT_BUILD_MS (60 * 60 * 1000)
#define HC_LIMIT_JOB_GRACE_MS (5 * 60 * 1000) /* beyond that the controller does, whatever the worker says */

/* Git. What an operator may set is in struct git_limits; these are what it stands for when zero, and the rest. */
#define HC_LIMIT_GIT_URL_BYTES 2048
#define HC_LIMIT_GIT_BRANCH_BYTES 255
#define HC_LIMIT_GIT_PATH_BYTES 4096
#define HC_LIMIT_GIT_DEPTH 128              /* of folders */
#define HC_LIMIT_GIT_LINKS 20               /* symbolic links followed for one path */
#define HC_LIMIT_GIT_REDIRECTS 3            /* on the same host */
#define HC_LIMIT_GIT_REFS_BYTES (4U * 1024 * 1024) /* of an answer to a question about one branch */
#define HC_LIMIT_GIT_PACKS 50               /* of one cache; then it is fetched anew */
#define HC_LIMIT_GIT_IGNORE_BYTES (256U * 1024)
#define HC_LIMIT_GIT_IGNORE_LINES 2000
#define HC_LIMIT_GIT_FETCH_BYTES (2LL * 1024 * 1024 * 1024)
#define HC_LIMIT_GIT_BLOB_BYTES (256LL * 1024 * 1024)
#define HC_LIMIT_GIT_TREE_ENTRIES 200000
#define HC_LIMIT_GIT_TAR_BYTES (4LL * 1024 * 1024 * 1024)
#define HC_LIMIT_GIT_CACHE_BYTES (10LL * 1024 * 1024 * 1024)
#define HC_LIMIT_GIT_CONNECT_MS 10000
#define HC_LIMIT_GIT_TOTAL_MS 600000
#define HC_LIMIT_GIT_STALLED_MS 30000

#endif
