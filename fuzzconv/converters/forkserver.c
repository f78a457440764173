/* A fork server for any native program, preloaded into it (LD_PRELOAD).
 *
 * What costs time in a short run of a large program is its static initialisation. This shim takes the place
 * of __libc_start_main, lets the program initialise once, and then, instead of calling main, serves requests
 * from a pipe: each is answered by a forked child that calls the real main.
 *
 * The environment variable FUZZCONV_FORKSERVER holds "R,W": the descriptors to read requests from and to
 * write replies to. A request is a 4-byte length followed by NUL-terminated fields:
 *     mode ("run" or "warm"), working directory, RLIMIT_AS, RLIMIT_FSIZE (bytes), argv[0], argv[1], ...
 * A reply is two 4-byte integers, a kind and a value:
 *     READY, protocol version      once, at the start
 *     STARTED, pid                 before the server waits, so that the client can kill the child
 *     ENDED, wait status           when the child has ended
 *     FAILED, errno                no child could be made
 * "warm" calls main in the server itself, so that later children find first-use initialisation done; its
 * answer is ENDED with main's result. A warm-up that crashes takes the server with it.
 *
 * The server ends when the request pipe closes (its client has died); a child never outlives the server.
 * Tested with glibc; needs pidfd_open (Linux 5.3).
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY = 0, STARTED = 1, ENDED = 2, FAILED = 3 };
enum { PROTOCOL = 1, MAX_REQUEST = 1 << 20, MAX_ARGUMENTS = 64 };

typedef int (*main_function)(int, char **, char **);
typedef int (*start_function)(main_function, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

struct request {
    const char *mode;
    const char *directory;
    rlim_t memory;
    rlim_t file_size;
    int argc;
    char *argv[MAX_ARGUMENTS + 1];
};

static main_function real_main;
static int requests = -1;
static int replies = -1;

static void leave(void)
{
    _exit(0);
}

static void reply(int32_t kind, int32_t value)
{
    int32_t message[2] = {kind, value};
    if (write(replies, message, sizeof message) != (ssize_t)sizeof message)
        leave();
}

static void read_exactly(void *buffer, size_t size)
{
    char *next = buffer;
    while (size > 0) {
        ssize_t count = read(requests, next, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            leave();
        next += count;
        size -= (size_t)count;
    }
}

/* Read one request into `buffer`; its strings stay there. Leaves on a malformed one. */
static void read_request(char *buffer, struct request *request)
{
    uint32_t size;
    read_exactly(&size, sizeof size);
    if (size == 0 || size > MAX_REQUEST)
        leave();
    read_exactly(buffer, size);
    if (buffer[size - 1] != '\0')
        leave();

    char *fields[MAX_ARGUMENTS + 4];
    int count = 0;
    for (char *field = buffer; field < buffer + size; field += strlen(field) + 1) {
        if (count == MAX_ARGUMENTS + 4)
            leave();
        fields[count++] = field;
    }
    if (count < 5)
        leave();
    request->mode = fields[0];
    request->directory = fields[1];
    request->memory = strtoull(fields[2], NULL, 10);
    request->file_size = strtoull(fields[3], NULL, 10);
    request->argc = count - 4;
    memcpy(request->argv, fields + 4, (size_t)request->argc * sizeof(char *));
    request->argv[request->argc] = NULL;
}

static int redirect(const char *path, int descriptor)
{
    int opened = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (opened < 0 || dup2(opened, descriptor) < 0)
        return -1;
    return close(opened);
}

static void limit(int resource, rlim_t value)
{
    struct rlimit both = {value, value};
    if (setrlimit(resource, &both) != 0)
        _exit(127);
}

/* Make the forked child what a freshly started process of its own would be (file names as in process.py). */
static void become_child(const struct request *request, pid_t server)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != server)
        _exit(127);
    setsid();
    close(requests);
    close(replies);
    if (chdir(request->directory) != 0)
        _exit(127);
    if (redirect("tool.stdout", STDOUT_FILENO) != 0 || redirect("tool.stderr", STDERR_FILENO) != 0)
        _exit(127);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, request->file_size);
    limit(RLIMIT_AS, request->memory);
}

/* Wait for the child, but give up (and take it along) when the client is gone. */
static int wait_for(pid_t child)
{
    int status = 0;
    int descriptor = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd watched[2] = {{descriptor, POLLIN, 0}, {requests, 0, 0}};
    while (!(watched[0].revents & POLLIN)) {
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            break;
        if (watched[1].revents & (POLLHUP | POLLERR)) {
            kill(-child, SIGKILL);
            kill(child, SIGKILL);
            leave();
        }
    }
    kill(-child, SIGKILL); /* what it may have started */
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    close(descriptor);
    return status;
}

/* Runs main in a thread of its own. */
static void *warm_up(void *argument)
{
    struct request *request = argument;
    return (void *)(intptr_t)real_main(request->argc, request->argv, environ);
}

/* Call main in this process. It runs in a thread, because malloc gives a thread an arena of its own: the heap
 * that the children inherit stays what static initialisation has left, and what a program reads of it
 * without having written is what it would read in a process of its own. */
static int warm(struct request *request)
{
    pthread_t thread;
    void *result;
    if (chdir(request->directory) != 0 || pthread_create(&thread, NULL, warm_up, request) != 0)
        return -1;
    pthread_join(thread, &result);
    fflush(NULL);
    return chdir("/") == 0 ? (int)(intptr_t)result : -1;
}

/* Takes main's place and never returns. A child leaves without the program's static destructors: they would
 * write to every page that they free, and copying those pages costs more than the whole conversion. */
static int serve(int argc, char **argv, char **environment)
{
    static char buffer[MAX_REQUEST];
    (void)argc;
    (void)argv;
    (void)environment;
    reply(READY, PROTOCOL);
    for (;;) {
        struct request request;
        read_request(buffer, &request);
        if (strcmp(request.mode, "warm") == 0) {
            reply(ENDED, warm(&request));
            continue;
        }
        pid_t server = getpid();
        pid_t child = fork();
        if (child == 0) {
            become_child(&request, server);
            int result = real_main(request.argc, request.argv, environ);
            fflush(NULL);
            _exit(result);
        }
        if (child < 0) {
            reply(FAILED, errno);
            continue;
        }
        reply(STARTED, child);
        reply(ENDED, wait_for(child));
    }
}

int __libc_start_main(main_function program, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    start_function start = (start_function)dlsym(RTLD_NEXT, "__libc_start_main");
    const char *descriptors = getenv("FUZZCONV_FORKSERVER");
    real_main = program;
    if (descriptors && sscanf(descriptors, "%d,%d", &requests, &replies) == 2) {
        unsetenv("FUZZCONV_FORKSERVER");
        unsetenv("LD_PRELOAD");
        program = serve;
    }
    return start(program, argc, argv, init, fini, rtld_fini, stack_end);
}
