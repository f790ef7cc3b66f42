"""A Windows job object: whatever is started inside it dies when its handle closes, the agent's death included.

Layouts and numbers are those of winnt.h; fixed-width types give the same layout on every system.
"""

import ctypes
import sys

JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE = 0x2000
EXTENDED_LIMIT_INFORMATION = 9
PROCESS_SET_QUOTA, PROCESS_TERMINATE = 0x0100, 0x0001


class BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION"""

    _fields_ = (
        ("per_process_user_time", ctypes.c_int64),
        ("per_job_user_time", ctypes.c_int64),
        ("limit_flags", ctypes.c_uint32),
        ("minimum_working_set", ctypes.c_size_t),
        ("maximum_working_set", ctypes.c_size_t),
        ("active_process_limit", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority_class", ctypes.c_uint32),
        ("scheduling_class", ctypes.c_uint32),
    )


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION"""

    _fields_ = (
        ("basic", BasicLimits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


class Job:
    """Holds the processes of one run; outside of Windows the launcher alone does that, and this does nothing."""

    if sys.platform == "win32":

        def __init__(self) -> None:
            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            for name in ("CreateJobObjectW", "OpenProcess"):
                getattr(self._kernel, name).restype = ctypes.c_void_p
            self._handle: int | None = self._kernel.CreateJobObjectW(None, None)
            limits = ExtendedLimits()
            limits.basic.limit_flags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
            job, size = ctypes.c_void_p(self._handle), ctypes.sizeof(limits)
            what = EXTENDED_LIMIT_INFORMATION
            self._check(self._kernel.SetInformationJobObject(job, what, ctypes.byref(limits), size))

        def adopt(self, pid: int) -> None:
            """This process, and all that it starts from now on; raises `OSError`."""
            process = ctypes.c_void_p(self._kernel.OpenProcess(PROCESS_SET_QUOTA | PROCESS_TERMINATE, 0, pid))
            self._check(process.value)
            try:
                self._check(self._kernel.AssignProcessToJobObject(ctypes.c_void_p(self._handle), process))
            finally:
                self._kernel.CloseHandle(process)

        def end(self) -> None:
            """Kill what is still inside; harmless a second time."""
            if self._handle is not None:
                self._kernel.TerminateJobObject(ctypes.c_void_p(self._handle), 1)
                self._kernel.CloseHandle(ctypes.c_void_p(self._handle))
                self._handle = None

        @staticmethod
        def _check(answer: int | None) -> None:
            if not answer:
                raise ctypes.WinError(ctypes.get_last_error())

    else:

        def adopt(self, pid: int) -> None:
            """Nothing to do here."""

        def end(self) -> None:
            """Nothing to do here."""
