/* Stands between a program and the file operations that it makes below one folder, counts them, and has an accident.

   Loaded before the C library (LD_PRELOAD). Nothing happens until accident_arm() is called; then the operation with the
   given number kills the process, or it and all later ones fail as on a full or a dead disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum accident { NONE, KILLED, FULL, DEAD };

static enum accident accident = NONE;
static atomic_long counted;
static long fatal;
static int armed, note = -1;
static char root[PATH_MAX];

void accident_arm(const char *folder, long number, int kind, int descriptor) {
    snprintf(root, sizeof root, "%s", folder);
    fatal = number;
    accident = (enum accident)kind;
    note = descriptor;
    counted = 0;
    armed = 1;
}

static int below(int directory, const char *path, char *full) {
    if (!armed || path == NULL) return 0;
    if (path[0] == '/') {
        snprintf(full, PATH_MAX, "%s", path);
    } else {
        char where[PATH_MAX] = "", link[64];
        if (directory == AT_FDCWD) {
            if (getcwd(where, sizeof where) == NULL) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
            ssize_t length = readlink(link, where, sizeof where - 1);
            if (length < 0) return 0;
            where[length] = 0;
        }
        snprintf(full, PATH_MAX, "%.2000s/%.2000s", where, path);
    }
    size_t length = strlen(root);
    return strncmp(full, root, length) == 0 && (full[length] == '/' || full[length] == 0);
}

static int open_below(int descriptor, char *full) {
    char link[64];
    if (!armed) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, full, PATH_MAX - 1);
    if (length < 0) return 0;
    full[length] = 0;
    size_t start = strlen(root);
    return strncmp(full, root, start) == 0 && full[start] == '/';
}

/* Count an operation: 0 to go on, 1 to write half, or the error that it ends with. */
static int meet(const char *name, const char *path, int takes_room) {
    long number = atomic_fetch_add(&counted, 1) + 1;
    if (note >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%s %s\n", name, path + strlen(root));
        syscall(SYS_write, note, line, length);
    }
    if (accident == NONE || number < fatal) return 0;
    if (accident == KILLED) kill(getpid(), SIGKILL);
    if (accident == DEAD) return EIO;
    if (!takes_room) return 0;
    return number == fatal && takes_room == 2 ? 1 : ENOSPC;
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE(outcome) do { if (outcome) { errno = outcome; return -1; } } while (0)
#define ROOM(full) (syscall(SYS_access, full, F_OK) == 0 ? 0 : 3) /* an existing file is opened on a full disk too */
#define WRITES(flags) ((flags) & (O_CREAT | O_TRUNC | O_APPEND | O_WRONLY | O_RDWR))

#define OPENS(function)                                                                   \
    int function(const char *path, int flags, ...) {                                      \
        va_list rest;                                                                     \
        va_start(rest, flags);                                                            \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;         \
        va_end(rest);                                                                     \
        char full[PATH_MAX];                                                              \
        if (WRITES(flags) && below(AT_FDCWD, path, full)) REFUSE(meet("open", full, ROOM(full)));  \
        return REAL(function)(path, flags, mode);                                         \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(function)                                                                 \
    int function(int directory, const char *path, int flags, ...) {                        \
        va_list rest;                                                                      \
        va_start(rest, flags);                                                             \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;          \
        va_end(rest);                                                                      \
        char full[PATH_MAX];                                                               \
        if (WRITES(flags) && below(directory, path, full)) REFUSE(meet("open", full, ROOM(full)));  \
        return REAL(function)(directory, path, flags, mode);                               \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

ssize_t write(int descriptor, const void *bytes, size_t size) {
    char full[PATH_MAX];
    if (open_below(descriptor, full)) {
        int outcome = meet("write", full, size > 1 ? 2 : 3);
        if (outcome == 1) return REAL(write)(descriptor, bytes, size / 2);
        REFUSE(outcome);
    }
    return REAL(write)(descriptor, bytes, size);
}

#define PWRITES(function, offset_type)                                                     \
    ssize_t function(int descriptor, const void *bytes, size_t size, offset_type offset) { \
        char full[PATH_MAX];                                                               \
        if (open_below(descriptor, full)) {                                                \
            int outcome = meet("pwrite", full, size > 1 ? 2 : 3);                          \
            if (outcome == 1) return REAL(function)(descriptor, bytes, size / 2, offset);  \
            REFUSE(outcome);                                                               \
        }                                                                                  \
        return REAL(function)(descriptor, bytes, size, offset);                            \
    }
PWRITES(pwrite, off_t)
PWRITES(pwrite64, off64_t)

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    char full[PATH_MAX];
    if (open_below(descriptor, full)) REFUSE(meet("writev", full, 3));
    return REAL(writev)(descriptor, parts, count);
}

#define OF_DESCRIPTOR(function, arguments, call, name)            \
    int function arguments {                                      \
        char full[PATH_MAX];                                      \
        if (open_below(descriptor, full)) REFUSE(meet(name, full, 0)); \
        return REAL(function) call;                               \
    }
OF_DESCRIPTOR(fsync, (int descriptor), (descriptor), "fsync")
OF_DESCRIPTOR(fdatasync, (int descriptor), (descriptor), "fsync")
OF_DESCRIPTOR(ftruncate, (int descriptor, off_t size), (descriptor, size), "truncate")
OF_DESCRIPTOR(ftruncate64, (int descriptor, off64_t size), (descriptor, size), "truncate")

#define OF_PATH(function, arguments, call, directory, name, room)           \
    int function arguments {                                                \
        char full[PATH_MAX];                                                \
        if (below(directory, path, full)) REFUSE(meet(name, full, room));   \
        return REAL(function) call;                                         \
    }
OF_PATH(rename, (const char *path, const char *other), (path, other), AT_FDCWD, "rename", 0)
OF_PATH(renameat, (int from, const char *path, int to, const char *other), (from, path, to, other), from, "rename", 0)
OF_PATH(unlink, (const char *path), (path), AT_FDCWD, "unlink", 0)
OF_PATH(unlinkat, (int from, const char *path, int flags), (from, path, flags), from, "unlink", 0)
OF_PATH(rmdir, (const char *path), (path), AT_FDCWD, "rmdir", 0)
OF_PATH(mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, "mkdir", 3)
OF_PATH(mkdirat, (int from, const char *path, mode_t mode), (from, path, mode), from, "mkdir", 3)
OF_PATH(truncate, (const char *path, off_t size), (path, size), AT_FDCWD, "truncate", 0)
OF_PATH(truncate64, (const char *path, off64_t size), (path, size), AT_FDCWD, "truncate", 0)
