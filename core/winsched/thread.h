/*
 * winsched/thread: read what a Windows thread is, out of a running guest.
 *
 * Thread objects are freed and their memory used again, for threads, other
 * objects, anything; so what is read is only handed out if it was one
 * object's for the whole time it took.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINSCHED_THREAD_H
#define VMSCOPE_WINSCHED_THREAD_H

#include "gmem/gmem.h"
#include "winos/layout.h"

enum {
    WINSCHED_IMAGE_SIZE = 16,   /* 15 bytes and a NUL */
    WINSCHED_NAME_SIZE = 80,    /* bytes of UTF-8, NUL included */
};

/* What could be read of a thread; bits of WinschedThread.has. */
enum {
    WINSCHED_HAS_PROCESS = 1 << 0,
    WINSCHED_HAS_ATTACHED = 1 << 1,     /* it runs in another's memory */
    WINSCHED_HAS_IDS = 1 << 2,
    WINSCHED_HAS_IMAGE = 1 << 3,
    WINSCHED_HAS_NAME = 1 << 4,
    WINSCHED_NAME_CUT = 1 << 5,         /* the name goes on */
    WINSCHED_HAS_STATE = 1 << 6,
    WINSCHED_HAS_WAIT_REASON = 1 << 7,
    WINSCHED_HAS_PRIORITY = 1 << 8,
    WINSCHED_HAS_SWITCHES = 1 << 9,
    WINSCHED_HAS_WAIT_TIME = 1 << 10,
    WINSCHED_IS_IDLE = 1 << 11,         /* set by the sampler */
    /*
     * It may be: which one is the idle thread is not known, and this one has
     * no ids that say otherwise.
     */
    WINSCHED_IDLE_UNKNOWN = 1 << 12,
};

/*
 * What tells one object from the next at its address: bytes as they were in
 * the guest, plausible or not, for comparing only.
 */
typedef struct WinschedThreadKey {
    uint64_t process;
    uint64_t client_id[2];
    uint64_t created;
    uint64_t known;             /* which of these were read */
} WinschedThreadKey;

typedef struct WinschedProcessKey {
    uint64_t id;
    uint64_t created;
    uint8_t image[WINSCHED_IMAGE_SIZE];
    uint64_t known;             /* 0 also when it is no process */
} WinschedProcessKey;

typedef struct WinschedThread {
    uint64_t thread;            /* address of its KTHREAD */
    uint64_t process;           /* of its owner's KPROCESS */
    uint64_t attached;          /* whose memory it uses, when another's */
    uint32_t pid, tid;
    uint32_t has;
    uint32_t context_switches;
    uint32_t wait_time;         /* ticks */
    uint8_t state;
    uint8_t wait_reason;
    int8_t priority;
    char image[WINSCHED_IMAGE_SIZE];    /* ImageFileName as it is: any bytes */
    char name[WINSCHED_NAME_SIZE];      /* valid UTF-8, NUL-terminated */
    WinschedThreadKey key;
    WinschedProcessKey owner;
} WinschedThread;

/* An object spans two pages at most, a name too; see the window below. */
enum { WINSCHED_WINDOW_PAGES = 6 };

/*
 * Translations, each done once.  They may be wrong a moment later, so a
 * window lives for one look and not longer.
 */
typedef struct WinschedWindow {
    const GmemSpace *space;
    unsigned next;              /* the page to forget when one more comes */
    struct {
        uint64_t gva;
        uint64_t gpa;
        uint64_t size;          /* 0: not in use */
    } pages[WINSCHED_WINDOW_PAGES];
} WinschedWindow;

/**
 * winsched_thread_may_be - cheap test: may a thread be at this address?
 *
 * In the upper half, 16-byte aligned, and its type byte says so.
 */
bool winsched_thread_may_be(const GmemSpace *space, uint64_t thread);

/**
 * winsched_thread_read - read one thread
 * @space: the kernel's
 * @layout: fields without an offset are left out
 * @thread: address of the object
 * @out: filled in; what is implausible or cannot be read is left out of has
 *
 * Reads identity twice around the rest; identity that changed meanwhile makes
 * it fail.  At most 5 KiB are read of objects, in a dozen reads, and each page
 * they are on is translated twice.
 *
 * Context: any thread; allocates nothing.
 *
 * Returns: false when there is no thread, or it changed while it was read
 */
bool winsched_thread_read(const GmemSpace *space, const WinosLayout *layout,
                          uint64_t thread, WinschedThread *out);

/**
 * winsched_window_init - begin a look
 * @space: kept; lives as long as the window is used
 */
void winsched_window_init(WinschedWindow *window, const GmemSpace *space);

/**
 * winsched_thread_glimpse - the first half of winsched_thread_read()
 *
 * What is in @out may be of two objects until winsched_thread_unchanged() says
 * otherwise.
 *
 * Returns: false when there is no thread
 */
bool winsched_thread_glimpse(WinschedWindow *window, const WinosLayout *layout,
                             uint64_t thread, WinschedThread *out);

/**
 * winsched_thread_steady - are State and ContextSwitches what they were?
 * @window, @thread: as for winsched_thread_unchanged()
 *
 * Of who runs both change at a switch alone, a little after CurrentThread.
 */
bool winsched_thread_steady(WinschedWindow *window, const WinosLayout *layout,
                            const WinschedThread *thread);

/**
 * winsched_thread_unchanged - the second half: is it still the same object?
 * @window: a fresh one where mappings may have changed too
 * @thread: from winsched_thread_glimpse()
 */
bool winsched_thread_unchanged(WinschedWindow *window,
                               const WinosLayout *layout,
                               const WinschedThread *thread);

/**
 * winsched_thread_refresh - read again what changes in a thread's life
 * @thread: read earlier; state, wait reason, priority, context switches and
 *          wait time become what they are now, or are left out when another
 *          object is there
 *
 * Identity, process and name stay as they were.
 */
void winsched_thread_refresh(WinschedWindow *window,
                             const WinosLayout *layout,
                             WinschedThread *thread);

/**
 * winsched_same_thread - are these two readings of one and the same thread?
 *
 * Not just of one address.
 */
bool winsched_same_thread(const WinschedThread *a, const WinschedThread *b);

#endif
