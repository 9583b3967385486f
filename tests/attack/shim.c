/* Loaded into the program by LD_PRELOAD: the n-th call that changes a file below a folder fails, or kills the process.
 *
 * ATTACK_BELOW  the folder     ATTACK_AT  n, from 1; 0 only counts     ATTACK_DO   full | broken | kill
 * ATTACK_WHO    parent | worker            ATTACK_COUNT  a file to which the number of calls is written
 * ATTACK_ON     1: all later calls fail as well
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static long calls;
static int active = -1;
static __thread int telling;

static int concerned(void) {
    if (telling) return 0;
    if (active >= 0) return active;
    char line[4096] = {0};
    int file = (int)syscall(257 /* openat */, AT_FDCWD, "/proc/self/cmdline", O_RDONLY);
    long length = file < 0 ? 0 : read(file, line, sizeof line - 1);
    if (file >= 0) close(file);
    int worker = 0;
    for (long at = 0; at < length; at += (long)strlen(line + at) + 1) worker |= strcmp(line + at, "worker") == 0;
    const char *who = getenv("ATTACK_WHO");
    active = getenv("ATTACK_BELOW") && who && (strcmp(who, "worker") == 0) == worker;
    return active;
}

/* At every call, for workers are killed when they have nothing to do. Of several the greatest counts. */
static void tell(long now) {
    const char *name = getenv("ATTACK_COUNT");
    if (!name) return;
    telling = 1;
    long most = 0;
    FILE *file = fopen(name, "r");
    if (file) { if (fscanf(file, "%ld", &most) != 1) most = 0; fclose(file); }
    if (now > most && (file = fopen(name, "w"))) { fprintf(file, "%ld\n", now); fclose(file); }
    telling = 0;
}

static int fails(void) {
    const char *at = getenv("ATTACK_AT"), *act = getenv("ATTACK_DO"), *on = getenv("ATTACK_ON");
    long now = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST), when = at ? atol(at) : 0;
    tell(now);
    if (when == 0 || !act || (now != when && !(on && now > when))) return 0;
    if (strcmp(act, "kill") == 0) raise(SIGKILL);
    errno = strcmp(act, "full") == 0 ? ENOSPC : EIO;
    return 1;
}

static int below(const char *path) {
    if (!concerned() || !path) return 0;
    char whole[PATH_MAX * 2];
    if (path[0] == '/') {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(whole, sizeof whole, "%s/%s", here, path);
    }
    const char *folder = getenv("ATTACK_BELOW");
    return strncmp(whole, folder, strlen(folder)) == 0;
}

static int holds(int file) {
    if (!concerned() || file < 3) return 0;
    char link[64], path[PATH_MAX] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    return readlink(link, path, sizeof path - 1) > 0 && below(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARD(question) do { if ((question) && fails()) return -1; } while (0)

ssize_t write(int file, const void *data, size_t size) { GUARD(holds(file)); return REAL(write)(file, data, size); }
ssize_t writev(int file, const struct iovec *data, int n) { GUARD(holds(file)); return REAL(writev)(file, data, n); }
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) { GUARD(holds(file)); return REAL(pwrite64)(file, data, size, at); }
int fsync(int file) { GUARD(holds(file)); return REAL(fsync)(file); }
int fdatasync(int file) { GUARD(holds(file)); return REAL(fdatasync)(file); }
int ftruncate64(int file, off64_t size) { GUARD(holds(file)); return REAL(ftruncate64)(file, size); }
int rename(const char *old, const char *new) { GUARD(below(new)); return REAL(rename)(old, new); }
int renameat(int a, const char *old, int b, const char *new) { GUARD(below(new)); return REAL(renameat)(a, old, b, new); }
int link(const char *old, const char *new) { GUARD(below(new)); return REAL(link)(old, new); }
int mkdir(const char *path, mode_t mode) { GUARD(below(path)); return REAL(mkdir)(path, mode); }
int unlink(const char *path) { GUARD(below(path)); return REAL(unlink)(path); }

static int opens(const char *path, int flags) { return (flags & (O_WRONLY | O_RDWR | O_CREAT)) && below(path); }

int open64(const char *path, int flags, ...) {
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list);
    GUARD(opens(path, flags)); return REAL(open64)(path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list);
    GUARD(opens(path, flags)); return REAL(open)(path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list);
    GUARD(opens(path, flags)); return REAL(openat64)(folder, path, flags, mode);
}
