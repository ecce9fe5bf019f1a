/* The controller's end of the log socket: a thread that answers each connection with prepared bytes. */
#ifndef FAKE_CONTROLLER_H
#define FAKE_CONTROLLER_H

struct fake_controller;

/* answer is borrowed until stop. Bytes behind a line that is only "~" are sent 100 ms later. */
struct fake_controller *fake_controller_start(const char *socket_path, const char *answer);
/* First line of the last request, malloced; NULL when there was none. */
char *fake_controller_stop(struct fake_controller *controller);

#endif
