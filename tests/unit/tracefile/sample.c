/*
 * tests/unit/tracefile: see sample.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sample.h"

#include <string.h>

void memory_init(Memory *memory)
{
    memset(memory, 0, sizeof(*memory));
    memory->bytes = g_byte_array_new();
    memory->ends = g_array_new(FALSE, FALSE, sizeof(size_t));
}

void memory_clear(Memory *memory)
{
    g_byte_array_free(memory->bytes, TRUE);
    g_array_free(memory->ends, TRUE);
}

static bool memory_write(void *opaque, const void *bytes, size_t len,
                         Err *err)
{
    Memory *memory = opaque;
    size_t end;

    if (memory->limit && memory->bytes->len + len > memory->limit) {
        err_set(err, ERR_IO, "full");
        return false;
    }
    g_byte_array_append(memory->bytes, bytes, len);
    memory->writes++;
    end = memory->bytes->len;
    g_array_append_val(memory->ends, end);
    return true;
}

static ssize_t memory_read(void *opaque, uint64_t offset, void *buf,
                           size_t len)
{
    Memory *memory = opaque;

    if (offset >= memory->bytes->len) {
        return 0;
    }
    len = MIN(len, memory->bytes->len - offset);
    memcpy(buf, memory->bytes->data + offset, len);
    return (ssize_t)len;
}

TraceSink memory_sink(Memory *memory)
{
    TraceSink sink = { memory_write, memory };

    return sink;
}

TraceSource memory_source(Memory *memory)
{
    TraceSource source = { memory_read, memory };

    return source;
}

const TraceInfo sample_info = {
    .contents = TRACE_SCHED | TRACE_IRQ,
    .n_vcpus = 4,
    .monotonic_ns = 1000000,
    .realtime_ns = 1795400000000000000,
    .tsc = 123456789,
    .load_base = 0x55fe0ec00000,
    .pid = 4711,
    .poll_hz = 1000,
    .exact = true,
    .part = 1,
    .build_id = "6c1f2e",
    .exe = "/usr/bin/qemu-system-x86_64",
    .qemu_version = "10.0.2",
    .vm_name = "win11",
    .options = "vmscope record -o x",
    .past_log_known = true,
    .past_log = "disk0 (virtio-blk-pci): messages by irqfd\nits timer",
};

static void set_names(uint64_t who, SchedlogEvent *event)
{
    event->thread = 0xffffa00000000000 + who * 0x100;
    if (who == 0) {
        event->has |= SCHEDLOG_IDLE;
        return;
    }
    event->has |= SCHEDLOG_HAS_PROCESS | SCHEDLOG_HAS_IDS |
                  SCHEDLOG_HAS_IMAGE;
    event->process = 0xffff800000001000 + who / 4 * 0x1000;
    event->pid = 4 + (uint32_t)(who / 4 * 4);
    event->tid = 8 + (uint32_t)who * 4;
    g_snprintf(event->image, sizeof(event->image), "p%u.exe",
               (unsigned)(who / 4));
    if (who % 2) {
        event->has |= SCHEDLOG_HAS_NAME | SCHEDLOG_NAME_CUT;
        g_snprintf(event->name, sizeof(event->name),
                   "\xec\x8a\xa4\xeb\xa0\x88 %u", (unsigned)who);
    }
}

/* Whoever ran on that vCPU before; now and then somebody else. */
static void set_old(uint64_t seq, SchedlogEvent *event)
{
    SchedlogEvent old = {};
    uint64_t who = (seq + 19) % 23;

    if (seq <= 4 || seq % 7 == 0) {
        who = 22 - who;
    }
    set_names(who, &old);
    event->has |= SCHEDLOG_HAS_OLD | SCHEDLOG_HAS_OLD_STATE;
    event->old_thread = old.thread;
    event->old_state = 5;
    if (who && seq % 2) {
        event->has |= SCHEDLOG_HAS_OLD_IDS | SCHEDLOG_HAS_OLD_WAIT_REASON |
                      SCHEDLOG_HAS_OLD_PRIORITY;
        event->old_pid = old.pid;
        event->old_tid = old.tid;
        event->old_wait_reason = 6;
        event->old_priority = -1;
    }
}

void sample_sched(uint64_t seq, SchedlogEvent *event)
{
    uint64_t who = seq % 23;

    memset(event, 0, sizeof(*event));
    event->seq = seq;
    /* Not always rising: vCPUs stamp on their own. */
    event->time_ns = 2000000 + seq * 1000 - (seq % 3) * 1500;
    event->vcpu = seq % 4;
    event->origin = seq % 3;
    set_names(who, event);
    if (seq % 6) {
        set_old(seq, event);
    }
    event->has |= SCHEDLOG_HAS_STATE | SCHEDLOG_HAS_PRIORITY;
    event->state = 2;
    event->priority = (int8_t)(seq % 40 - 8);
    if (seq % 7 == 0) {
        event->has |= SCHEDLOG_IDLE_UNKNOWN;
    }
    if (seq % 5 == 0) {
        event->has |= SCHEDLOG_HAS_ATTACHED | SCHEDLOG_HAS_MISSED |
                      SCHEDLOG_HAS_SWITCHES | SCHEDLOG_HAS_WAIT_TIME;
        event->attached = 0xffff800000009000;
        event->missed = (uint32_t)seq * 1000;
        event->switches = UINT32_MAX;
        event->wait_time = (uint32_t)seq;
    }
}

void sample_irq(uint64_t seq, IrqlogEvent *event, uint32_t *line,
                uint32_t *thread)
{
    unsigned i;

    memset(event, 0, sizeof(*event));
    event->seq = seq;
    event->time_ns = 2000500 + seq * 1000;
    event->level = seq % 11 ? (int32_t)(seq % 2) : -5;
    event->depth = seq % 3;
    event->tid = 41267;
    event->caller = 0x55fe0f1a4c90 + seq;
    *line = seq % 5;
    *thread = seq % 2;
    if (seq % 13 == 0) {
        *line = IRQLOG_NO_LINE;
        *thread = IRQLOG_NO_THREAD;
    }
    event->n_backtrace = seq % (IRQLOG_BACKTRACE_MAX + 1);
    for (i = 0; i < event->n_backtrace; i++) {
        event->backtrace[i] = 0x7f0000000000 + i;
    }
    if (*line == 4) {
        event->has_msi = true;
        event->msi_address = 0xfee01000;
        event->msi_data = 0x4031;
    }
}

static void write_lines(TraceWriter *writer)
{
    static const IrqlogLineInfo lines[] = {
        { 0x10, 0x20, 0x30, 0, IRQLOG_HARDWARE, "/machine/pin[0]", NULL,
          NULL },
        { 0x11, 0x21, 0x31, 3, IRQLOG_PERCPU, "/machine/cpu[3]", "/drv:x",
          "/owner", "edu:e" },
        { 0x12, 0x22, 0x32, -7, IRQLOG_SOFTWARE, IRQLOG_ANONYMOUS, NULL,
          "/owner2" },
        { 0x13, 0x23, 0x33, 9, IRQLOG_HARDWARE, "", "/d", NULL, "" },
        { 0, 0, 0x34, 0, IRQLOG_MSI, "/machine/peripheral/net0", NULL,
          NULL },
    };
    static const IrqlogThreadInfo threads[] = {
        { 41267, "CPU 0/KVM", "vcpu 0" },
        { 41260, "qemu", NULL },
    };
    uint32_t i;

    for (i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_assert_true(trace_writer_line(writer, i, &lines[i], NULL));
        g_assert_true(trace_writer_line(writer, i, &lines[i], NULL));
    }
    for (i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_assert_true(trace_writer_host_thread(writer, i, &threads[i], NULL));
    }
}

static void write_guest(TraceWriter *writer)
{
    SchedlogGuest guest = {
        .kernel_base = 0xfffff80000000000,
        .kernel_size = 0x1000000,
        .kernel_timestamp = 0x12345678,
        .build = 26100,
        .n_offsets = 2,
        .offsets = {
            { .name = "kpcr-current-prcb", .value = 0x20, .source = "code" },
            { .name = "kthread-state", .value = -1, .source = "" },
        },
    };

    g_assert_true(trace_writer_guest(writer, &guest, 1500000, NULL));
}

static void write_events(TraceWriter *writer, unsigned n)
{
    SchedlogEvent sched;
    IrqlogEvent irq;
    uint32_t line;
    uint32_t thread;
    unsigned i;

    for (i = 1; i <= n; i++) {
        sample_sched(i, &sched);
        g_assert_true(trace_writer_sched(writer, &sched, NULL));
        sample_irq(i, &irq, &line, &thread);
        g_assert_true(trace_writer_irq(writer, &irq, line, thread, NULL));
    }
}

void sample_write(TraceWriter *writer, unsigned n)
{
    static const IrqlogObjectInfo object = {
        0x7f0000000000, 0x7f0000001000, 0x7f0000002000, "5a3c", "/lib/c.so",
    };
    static const TraceLost lost = { TRACE_IRQ, 17, 100, 3000000, 3100000 };
    static const TraceMark mark = { 4000000, 1, 2, 3, true };
    static const TraceHost hosts[] = {
        { 0, 1000000, 3000000, 1500000, 500000 },
        { 3, 1000000, 2999000, 0, 0 },
        { TRACE_MAX_VCPUS - 1, 3000000, 3900000, 3000000, UINT64_MAX },
    };
    static const TraceTicks ticks[] = {
        { 0, 1000000, 3000000, 15625000, { 32, 4, 1, 0, 27 }, 64, 5 },
        { TRACE_MAX_VCPUS - 1, 2000000, 2999999, 0,
          { UINT32_MAX, 0, 0, 0, 1 }, UINT32_MAX, 0 },
    };
    static const TracePath paths[] = {
        { 0xffff800000001000, 4, "", "" },
        { 0xffff800000002000, 8, "p1.exe",
          "\\Device\\HarddiskVolume3\\\xec\x82\xac\xec\x9a\xa9\\p1.exe" },
        { UINT64_MAX, UINT32_MAX, "\xb0\xe8\xff", "x" },
    };
    static const TraceVector vectors[] = {
        { 0, 0x91, true, 0, "viostor.sys by storport.sys" },
        { TRACE_MAX_VCPUS - 1, 0xff, true, UINT32_MAX, "" },
        { 2, 0, false, 0, "a, \xc3\xa9" },
    };
    size_t i;

    g_assert_true(trace_writer_begin(writer, &sample_info, NULL));
    g_assert_true(trace_writer_object(writer, &object, NULL));
    write_lines(writer);
    write_guest(writer);
    write_events(writer, n);
    for (i = 0; i < G_N_ELEMENTS(hosts); i++) {
        g_assert_true(trace_writer_host(writer, &hosts[i], NULL));
    }
    for (i = 0; i < G_N_ELEMENTS(ticks); i++) {
        g_assert_true(trace_writer_ticks(writer, &ticks[i], NULL));
    }
    for (i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_assert_true(trace_writer_path(writer, &paths[i], NULL));
    }
    for (i = 0; i < G_N_ELEMENTS(vectors); i++) {
        g_assert_true(trace_writer_vector(writer, &vectors[i], NULL));
    }
    g_assert_true(trace_writer_lost(writer, &lost, NULL));
    g_assert_true(trace_writer_mark(writer, &mark, NULL));
    g_assert_true(trace_writer_end(writer, TRACE_END_DURATION, 5000000,
                                   NULL));
}

/* Dumping. */

static void dump_sched(GString *out, const char *what,
                       const SchedlogEvent *e)
{
    g_string_append_printf(out, "%s %lu @%lu cpu%u o%u %lx has=%x", what,
                           e->seq, e->time_ns, e->vcpu, e->origin, e->thread,
                           e->has);
    g_string_append_printf(out, " proc=%lx %u:%u '%s' '%s' att=%lx st=%u "
                           "pr=%d", e->process, e->pid, e->tid, e->image,
                           e->name, e->attached, e->state, e->priority);
    g_string_append_printf(out, " miss=%u sw=%u wt=%u old=%lx %u:%u %u %u %d"
                           "\n", e->missed, e->switches, e->wait_time,
                           e->old_thread, e->old_pid, e->old_tid,
                           e->old_state, e->old_wait_reason,
                           e->old_priority);
}

static void dump_irq(GString *out, const TraceItem *item)
{
    const IrqlogEvent *e = &item->irq;
    unsigned i;

    g_string_append_printf(out, "irq %lu @%lu l=%d n=%d k=%u d=%u %lx %lx "
                           "%lx c=%lx tid=%u '%s' req=%s", e->seq,
                           e->time_ns, e->level, e->n, e->kind, e->depth,
                           e->irq, e->handler, e->opaque, e->caller, e->tid,
                           e->path, e->requester ? e->requester : "-");
    g_string_append_printf(out, " line=%u drv=%s own=%s dev=%s by '%s' %s",
                           item->line,
                           item->line_info->driven_by ?: "-",
                           item->line_info->owner ?: "-",
                           item->line_info->device ?: "-",
                           item->host_thread->name,
                           item->host_thread->role ?: "-");
    if (e->has_msi) {
        g_string_append_printf(out, " msi=%lx %x", e->msi_address,
                               e->msi_data);
    }
    for (i = 0; i < e->n_backtrace; i++) {
        g_string_append_printf(out, " %lx", e->backtrace[i]);
    }
    g_string_append(out, "\n");
}

static void dump_guest(GString *out, const TraceItem *item)
{
    const SchedlogGuest *guest = &item->guest;
    uint32_t i;

    g_string_append_printf(out, "guest @%lu %lx+%x %x build=%u",
                           item->since_ns, guest->kernel_base,
                           guest->kernel_size, guest->kernel_timestamp,
                           guest->build);
    for (i = 0; i < guest->n_offsets; i++) {
        g_string_append_printf(out, " %s=%d(%s)", guest->offsets[i].name,
                               guest->offsets[i].value,
                               guest->offsets[i].source);
    }
    g_string_append(out, "\n");
}

static void dump_ticks(GString *out, const TraceTicks *ticks)
{
    unsigned i;

    g_string_append_printf(out, "ticks %u %lu-%lu of %lu:", ticks->vcpu,
                           ticks->from_ns, ticks->to_ns, ticks->tick_ns);
    for (i = 0; i < TRACE_N_TICKS; i++) {
        g_string_append_printf(out, " %u", ticks->ticks[i]);
    }
    g_string_append_printf(out, " irqs %u dpcs %u\n", ticks->interrupts,
                           ticks->dpcs);
}

/* An image is bytes; who looks for something in a dump needs UTF-8. */
static void dump_path(GString *out, const TracePath *path)
{
    g_autofree char *image = g_strescape(path->image, NULL);

    g_string_append_printf(out, "path %lx %u '%s' '%s'\n", path->process,
                           path->pid, image, path->path);
}

static void dump_item(GString *out, const TraceItem *item)
{
    switch (item->type) {
    case TRACE_ITEM_SCHED:
        dump_sched(out, "sched", &item->sched);
        break;
    case TRACE_ITEM_RUNNING:
        dump_sched(out, "running", &item->sched);
        break;
    case TRACE_ITEM_IRQ:
        dump_irq(out, item);
        break;
    case TRACE_ITEM_LOST:
        g_string_append_printf(out, "lost %u %lu from %lu: %lu to %lu\n",
                               item->lost.contents, item->lost.count,
                               item->lost.first_seq, item->lost.from_ns,
                               item->lost.to_ns);
        break;
    case TRACE_ITEM_OBJECT:
        g_string_append_printf(out, "object %lx %lx %lx '%s' '%s'\n",
                               item->object.load_base, item->object.start,
                               item->object.end, item->object.build_id,
                               item->object.file);
        break;
    case TRACE_ITEM_GUEST:
        dump_guest(out, item);
        break;
    case TRACE_ITEM_MARK:
        g_string_append_printf(out, "mark %lu %lu %lu %u %d\n",
                               item->mark.time_ns, item->mark.sched_dropped,
                               item->mark.irq_dropped,
                               item->mark.lines_refused, item->mark.exact);
        break;
    case TRACE_ITEM_END:
        g_string_append_printf(out, "end %u %lu %lu %lu %lu %lu\n",
                               item->end.reason, item->end.time_ns,
                               item->end.sched_events, item->end.irq_events,
                               item->end.sched_lost, item->end.irq_lost);
        break;
    case TRACE_ITEM_HOST:
        g_string_append_printf(out, "host %u %lu-%lu run %lu wait %lu\n",
                               item->host.vcpu, item->host.from_ns,
                               item->host.to_ns, item->host.run_ns,
                               item->host.wait_ns);
        break;
    case TRACE_ITEM_TICKS:
        dump_ticks(out, &item->ticks);
        break;
    case TRACE_ITEM_PATH:
        dump_path(out, &item->path);
        break;
    case TRACE_ITEM_VECTOR:
        g_string_append_printf(out, "vector %u %u apic %d %u '%s'\n",
                               item->vector.vcpu, item->vector.vector,
                               item->vector.has_apic_id,
                               item->vector.has_apic_id
                               ? item->vector.apic_id : 0,
                               item->vector.drivers);
        break;
    }
}

char *sample_dump(Memory *memory, uint32_t contents, TraceReadStats *stats)
{
    TraceSource source = memory_source(memory);
    GString *out = g_string_new("");
    TraceReader *reader = trace_reader_new(&source, contents, NULL);
    TraceItem item;

    memset(stats, 0, sizeof(*stats));
    if (reader) {
        while (trace_reader_next(reader, &item)) {
            dump_item(out, &item);
        }
        *stats = *trace_reader_stats(reader);
    }
    trace_reader_free(reader);
    return g_string_free(out, FALSE);
}
