/* The controller's end of the log socket: a thread that answers each connection with prepared bytes. */
#ifndef FAKE_CONTROLLER_H
#define FAKE_CONTROLLER_H

#include <stdbool.h>

struct fake_controller;

/* answer is borrowed until stop. Bytes behind a line that is only "~" are sent 100 ms later. */
struct fake_controller *fake_controller_start(const char *socket_path, const char *answer);
/* Until it was asked once more than at the last call, 15 s at most; false: it was not. */
bool fake_controller_asked(struct fake_controller *controller);
/* First line of the last request, malloced; NULL when there was none. */
char *fake_controller_stop(struct fake_controller *controller);

#endif
