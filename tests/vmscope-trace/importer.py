"""What Perfetto's importer makes of a trace, as far as it matters to us.

A model of the rules by which trace_processor turns packets into its tables
thread, process, sched, thread_state and track (v53 and later; read in its
sources, checked against its results).  Deliberately simple: whole traces in
memory, no clocks.  What it counts as errors is in Import.errors.

SPDX-License-Identifier: GPL-2.0-or-later
"""

STATES = ['Initialized', 'Ready', 'Running', 'Standby', 'Terminated',
          'Waiting', 'Transition', 'DeferredReady']
WAITING = 5
REASONS = 37                # those from there on have no name
MERGE_NONE = 2
MAX_CPUS = 1024
IDLE = 0                    # utid of the idle threads, all of tid 0


class Thread:
    def __init__(self, tid, upid=None):
        self.tid, self.upid, self.name = tid, upid, ''


class Process:
    def __init__(self, pid):
        self.pid, self.name = pid, ''


class Import:
    def __init__(self, packets):
        self.errors = []
        self.threads = [Thread(0, 0)]
        self.processes = [Process(0)]
        self.utids = {0: [0]}       # tid: all threads that had it
        self.upids = {0: 0}         # pid: the process that has it now
        self.reserved = {}          # uuid: (pid, tid), as first said
        self.resolved = {}          # uuid: ('thread', utid) or ('process', ..)
        self.uuid_of = {}           # ('thread', utid): its last uuid
        self.sched = []             # rows [ts, dur, cpu, utid, end state]
        self.states = []            # rows [ts, dur, cpu, utid, state, reason]
        self.tracks = {}            # (parent, key): {uuid}
        self.instants = []          # (ts, track key, name)
        self._pending = {}          # cpu: (row of sched, tid)
        self._last_state = {}       # utid: row of states
        self._reserve_all(packets)
        self._parse_all(packets)

    def error(self, what):
        self.errors.append(what)

    # Reading happens in the order of the file: the first one reserves.

    def _reserve_all(self, packets):
        for packet in packets:
            for track in packet.get('track_descriptor', []):
                ids = self._ids(track)
                uuid = track['uuid'][0]
                if self.reserved.setdefault(uuid, ids) != ids:
                    self.error(f'conflicting reservation of {uuid}: {ids}, '
                               f'not {self.reserved[uuid]}')

    @staticmethod
    def _ids(track):
        if 'thread' in track:
            return track['thread'][0]['pid'][0], track['thread'][0]['tid'][0]
        if 'process' in track:
            return track['process'][0]['pid'][0], None
        return None

    # Parsing happens in the order of time.  Of a descriptor and a switch at
    # the same instant, the switch may come first: so it does here.

    def _parse_all(self, packets):
        order = sorted(enumerate(packets), key=lambda item: (
            item[1]['timestamp'][0], 'etw_events' not in item[1], item[0]))
        for _, packet in order:
            now = packet['timestamp'][0]
            for track in packet.get('track_descriptor', []):
                self._descriptor(track)
            for bundle in packet.get('etw_events', []):
                event = bundle['event'][0]
                if event['cpu'][0] >= MAX_CPUS:
                    self.error(f'CPU {event["cpu"][0]}')
                else:
                    self._switch(event['timestamp'][0], event['cpu'][0],
                                 event['c_switch'][0])
            for event in packet.get('track_event', []):
                self.instants.append((now, self._track_of(
                    event['track_uuid'][0]), event['name'][0]))

    # Threads and processes.

    def _is_alive(self, utid):
        upid = self.threads[utid].upid
        return upid is None or \
            self.upids.get(self.processes[upid].pid, upid) == upid

    def _find(self, tid, pid=None):
        for utid in reversed(self.utids.get(tid, [])):
            upid = self.threads[utid].upid
            if self._is_alive(utid) and (upid is None or pid is None or
                                         self.processes[upid].pid == pid):
                return utid
        return None

    def _new_thread(self, tid):
        self.threads.append(Thread(tid))
        self.utids.setdefault(tid, []).append(len(self.threads) - 1)
        return len(self.threads) - 1

    def thread(self, tid):
        utid = self._find(tid)
        return self._new_thread(tid) if utid is None else utid

    def _update_thread(self, tid, pid):
        upid = self._process(pid)
        utid = self._find(tid, pid)
        utid = self._new_thread(tid) if utid is None else utid
        if self.threads[utid].upid is None:
            self.threads[utid].upid = upid
        return utid

    def _process(self, pid):
        """A process always has a main thread, whose tid is the pid."""
        if pid not in self.upids:
            self.processes.append(Process(pid))
            self.upids[pid] = len(self.processes) - 1
            self._update_thread(pid, pid)
        return self.upids[pid]

    def _resolve(self, uuid):
        if uuid in self.resolved or not self.reserved.get(uuid):
            return
        pid, tid = self.reserved[uuid]
        if tid is not None:
            what = 'thread', self._update_thread(tid, pid)
            if self.uuid_of.setdefault(what, uuid) != uuid:
                utid = self._new_thread(tid)        # the tid is used again
                self.threads[utid].upid = self._process(pid)
                what = 'thread', utid
        else:
            what = 'process', self._process(pid)
            if self.uuid_of.setdefault(what, uuid) != uuid:
                del self.upids[pid]
                self.utids.pop(pid, None)
                self._new_thread(pid)
                what = 'process', self._process(pid)
        self.uuid_of[what] = uuid
        self.resolved[uuid] = what

    def _descriptor(self, track):
        uuid = track['uuid'][0]
        self._resolve(uuid)
        if 'thread' in track:
            utid = self.resolved[uuid][1]
            self.threads[utid].name = track['thread'][0].get(
                'thread_name', [self.threads[utid].name])[0]
        elif 'process' in track:
            self.processes[self.resolved[uuid][1]].name = \
                track['process'][0]['process_name'][0]
        else:
            key = self._merge_key(track)
            self.tracks.setdefault(key, set()).add(uuid)

    @staticmethod
    def _merge_key(track):
        parent = track.get('parent_uuid', [0])[0]
        if track.get('sibling_merge_behavior', [0])[0] == MERGE_NONE:
            return parent, track['uuid'][0]
        return parent, track['name'][0]

    def _track_of(self, uuid):
        for key, uuids in self.tracks.items():
            if uuid in uuids:
                return key
        self.error(f'no track {uuid}')
        return None

    # Switches.

    def _switch(self, now, cpu, event):
        new_tid = event['new_thread_id'][0]
        old_tid = event['old_thread_id'][0]
        new = self.thread(new_tid)
        state = event.get('old_thread_state_int', [0])[0] & 0xff
        if state >= len(STATES):
            self.error(f'state {state} at {now}')
        name = STATES[state] if state < len(STATES) else None
        if cpu in self._pending:
            row, tid = self._pending[cpu]
            if tid != old_tid:
                self.error(f'mismatched switch at {now} on {cpu}')
            else:
                row[1] = now - row[0]
                row[4] = name
        self._pending[cpu] = ([now, -1, cpu, new, None], new_tid)
        self.sched.append(self._pending[cpu][0])
        old = self.thread(old_tid)
        self._push_state(now, old, name, None)
        self._push_state(now, new, 'Running', cpu)
        if state == WAITING and old in self._last_state:
            reason = event.get('old_thread_wait_reason_int', [0])[0] & 0xff
            self._last_state[old][5] = reason if reason < REASONS else None

    def _push_state(self, now, utid, state, cpu):
        if utid == IDLE:
            return
        last = self._last_state.get(utid)
        if last:
            lost = cpu is None and last[4] != 'Running'
            last[1] = last[1] if lost else now - last[0]
        row = [now, -1, cpu, utid, state, None]
        self.states.append(row)
        self._last_state[utid] = row

    # What the tests ask.

    def who(self, utid):
        """(pid, tid, process, thread), as the tables join."""
        thread = self.threads[utid]
        process = self.processes[thread.upid] if thread.upid is not None \
            else Process(None)
        return process.pid, thread.tid, process.name, thread.name


def lanes(events):
    """{(pid, tid): lane's names} of Chrome's JSON; tid 0 is the pid's."""
    found = {}
    for event in events:
        lane = event['pid'], event['tid'] or event['pid']
        names = found.setdefault(lane, set())
        if event['ph'] == 'M' and event['name'] == 'thread_name':
            names.add((event['tid'], event['args']['name']))
        elif event['ph'] != 'M':
            names.add((event['tid'], None))
    return found
