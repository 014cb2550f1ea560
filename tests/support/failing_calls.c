/* Lets a call fail that changes what is on a disk: the n-th of this process once it is armed. Where the
   error lasts, all that take room fail from then on, as on a disk that stays full, and of one that is
   dying (EIO) also those that remove something.

   Preloaded (LD_PRELOAD). Counted are calls for regular files and folders only; what programs say on
   their outputs, sockets and the like is left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int counting, place, count, number, lasts;

void failing_calls_arm(int at, int error, int lasting) {
    place = at;
    number = error;
    lasts = lasting;
    count = 0;
    counting = 1;
}

int failing_calls_count(void) {
    counting = 0;
    return count;
}

static int fails_now(int takes_room) {
    if (!counting) return 0;
    int nth = atomic_fetch_add(&count, 1) + 1;
    if (nth != place && !(lasts && nth > place && (takes_room || number == EIO))) return 0;
    errno = number;
    return 1;
}

static int fails(void) { return fails_now(1); }

static int on_disk(int fd) {
    struct stat found;
    return counting && fd > 2 && !fstat(fd, &found) && (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode));
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define OF_FD(kind, name, parameters, arguments)                    \
    kind name parameters {                                          \
        REAL(name);                                                 \
        return on_disk(fd) && fails() ? -1 : real arguments;        \
    }
#define OF_PATH(name, takes_room, parameters, arguments)            \
    int name parameters {                                           \
        REAL(name);                                                 \
        return fails_now(takes_room) ? -1 : real arguments;         \
    }

OF_FD(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
OF_FD(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))
OF_FD(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at))
OF_FD(ssize_t, writev, (int fd, const struct iovec *from, int many), (fd, from, many))
OF_FD(int, fsync, (int fd), (fd))
OF_FD(int, fdatasync, (int fd), (fd))
OF_FD(int, ftruncate, (int fd, off_t size), (fd, size))
OF_FD(int, ftruncate64, (int fd, off64_t size), (fd, size))
OF_PATH(rename, 1, (const char *from, const char *to), (from, to))
OF_PATH(renameat, 1, (int one, const char *from, int other, const char *to), (one, from, other, to))
OF_PATH(link, 1, (const char *from, const char *to), (from, to))
OF_PATH(linkat, 1, (int one, const char *from, int other, const char *to, int flags), (one, from, other, to, flags))
OF_PATH(mkdir, 1, (const char *path, mode_t mode), (path, mode))
OF_PATH(unlink, 0, (const char *path), (path))
OF_PATH(unlinkat, 0, (int folder, const char *path, int flags), (folder, path, flags))
OF_PATH(rmdir, 0, (const char *path), (path))

size_t fwrite(const void *from, size_t size, size_t many, FILE *file) {
    REAL(fwrite);
    return file && on_disk(fileno(file)) && fails() ? 0 : real(from, size, many, file);
}

int close(int fd) {
    REAL(close);
    int held = counting && on_disk(fd) && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
    int failed = held && fails(), number_then = errno;
    int ended = real(fd); /* Linux has closed it, whatever it says */
    if (!failed) return ended;
    errno = number_then;
    return -1;
}

int fflush(FILE *file) {
    REAL(fflush);
    return file && on_disk(fileno(file)) && fails() ? EOF : real(file);
}

#define OPENS(name, parameters, ...)                                \
    int name parameters {                                           \
        REAL(name);                                                 \
        va_list more;                                               \
        va_start(more, flags);                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                               \
        return flags & O_CREAT && fails() ? -1 : real(__VA_ARGS__, mode); \
    }

OPENS(open, (const char *path, int flags, ...), path, flags)
OPENS(open64, (const char *path, int flags, ...), path, flags)
OPENS(openat, (int folder, const char *path, int flags, ...), folder, path, flags)
OPENS(openat64, (int folder, const char *path, int flags, ...), folder, path, flags)
