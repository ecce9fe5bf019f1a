/* Named points at which a test ends or stops a process, exactly there and exactly once.
 *
 * The environment variable HELVETIA_FAULTS names a folder; without it a point costs one look at a pointer. A
 * point looks for a file POINT.ACTION in the folder and removes it before it obeys, so that of all processes
 * that come by one does, once: kill         SIGKILL to itself kill-parent  SIGKILL to its parent, and waits
 * for its own end by that stop         SIGSTOP to itself: whoever made the file goes on with it by SIGCONT
 * Compiled into every build, so that what is tested is what is shipped: who may set a process's environment
 * may kill it anyway. The points are listed in the README of the folder that has them. */
#ifndef HC_FAULT_H
#define HC_FAULT_H

void hc_fault(const char *point); /* any thread; letters, digits and - */

#endif
