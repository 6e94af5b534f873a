"""What hostile code tries, and how the wall holds: the attack list.

Each is a sentence, the code, and what must be true of its result. ``HOST_FILE`` in a code is a
file of the host that everyone may write; ``SUPERVISOR`` is the supervisor's process; ``PORT`` is a
port of the host on which somebody listens; ``OTHER`` is the name of another session's file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from responses_gw.tools.code_interpreter import CallResult
from responses_gw.tools.code_interpreter.inside.syscalls import ALLOWED, CONDITIONAL

Check = Callable[[CallResult], bool]


@dataclass(frozen=True)
class Attack:
    sentence: str
    code: str
    holds: Check
    seconds: float = 5.0
    """The call's time limit. Attacks that end by themselves have more than they need."""
    walls: tuple[str, ...] = ("namespaces", "landlock")
    """With which it is tried."""


def fails_with(*names: str) -> Check:
    return lambda result: result.end.error is not None and result.end.error.name in names


def gives(value: str) -> Check:
    return lambda result: result.end.status == "ok" and result.value == value


def ends(*statuses: str) -> Check:
    return lambda result: result.end.status in statuses


def survives_interrupt(result: CallResult) -> bool:
    return result.end.status == "timeout" and not result.end.state_lost


def is_killed(result: CallResult) -> bool:
    return result.end.status == "timeout" and result.end.state_lost


def at_most(number: int) -> Check:
    return lambda result: result.value is not None and int(result.value) <= number


denied = fails_with("PermissionError", "BlockingIOError", "FileNotFoundError")
TRY_ALL = "\nn = []\nfor f in tries:\n  try: n.append(f())\n  except (OSError, ValueError): pass\nn"
RAW = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
FRAME = (
    "import os, struct\ndef send(kind, b): os.write(3, struct.pack('>IB', len(b), ord(kind)) + b)\n"
)
NONCE = (
    "import sys, json\nf = sys._getframe()\nwhile 'nonce' not in f.f_locals: f = f.f_back\n"
    "nonce = f.f_locals['nonce']\n"
)

TIME = [
    Attack("a loop without end is interrupted", "while True: pass", survives_interrupt, 0.3),
    Attack(
        "a loop that swallows interrupts is killed",
        "import time\nwhile True:\n try: time.sleep(0.01)\n except BaseException: pass",
        is_killed,
        0.3,
    ),
    Attack(
        "ignoring the signal does not help",
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(1000)",
        is_killed,
        0.3,
    ),
    Attack(
        "C code that does not return is stopped",
        "len(str(10**10**8))",
        ends("timeout", "error"),
        0.3,
    ),
    Attack(
        "a regular expression that explodes is stopped",
        "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
        ends("timeout"),
        0.3,
    ),
    Attack("sleeping is interrupted", "import time; time.sleep(1000)", survives_interrupt, 0.3),
    Attack(
        "a repr without end is interrupted",
        "class A:\n def __repr__(s):\n  while True: pass\nA()",
        ends("timeout"),
        0.3,
    ),
    Attack(
        "a finaliser without end is stopped",
        "class A:\n def __del__(s):\n  while True: pass\na = A(); del a",
        ends("timeout", "ok", "error"),
        0.3,
    ),
    Attack("an input that nobody types ends at once", "input()", fails_with("EOFError", "OSError")),
    Attack(
        "raising the interrupt oneself is an error",
        "raise KeyboardInterrupt",
        fails_with("KeyboardInterrupt"),
    ),
]

MEMORY = [
    Attack("a string of 100 GB is refused", "x = 'a' * 10**11", fails_with("MemoryError")),
    Attack(
        "memory that grows ends in a MemoryError",
        "l = []\nwhile True: l.append(bytearray(50_000_000))",
        lambda r: fails_with("MemoryError")(r) and not r.end.state_lost,
        20,
    ),
    Attack(
        "shared memory counts as well",
        "import mmap\nl = []\nfor i in range(100):\n m = mmap.mmap(-1, 100_000_000); m[0] = 1; "
        "l.append(m)",
        fails_with("OSError", "MemoryError"),
    ),
    Attack("memory files are closed", "import os; os.memfd_create('x')", denied),
    Attack(
        "System V shared memory is closed",
        RAW + "libc.shmget(0, 1 << 20, 0o1600), ctypes.get_errno()",
        gives("(-1, 1)"),
    ),
    Attack(
        "locking memory is closed", RAW + "libc.mlockall(3), ctypes.get_errno()", gives("(-1, 1)")
    ),
    Attack(
        "threads are bounded",
        "import threading, time\nn = 0\ntry:\n while n < 3000:\n"
        "  threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start(); n += 1\n"
        "except RuntimeError: pass\nn",
        at_most(70),
    ),
    Attack(
        "threads with small stacks are bounded",
        "import threading, time\nthreading.stack_size(32768)\nn = 0\ntry:\n while n < 3000:\n"
        "  threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start(); n += 1\n"
        "except RuntimeError: pass\nn",
        at_most(70),
    ),
    Attack(
        "descriptors are bounded",
        "import os\nl = []\ntry:\n while True: l.append(os.pipe())\nexcept OSError: pass\nlen(l)",
        at_most(64),
    ),
    Attack(
        "a limit cannot be raised",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        fails_with("ValueError", "PermissionError", "OSError"),
    ),
    Attack("parentheses without end do no harm", "eval('(' * 100000)", ends("error", "crashed")),
    Attack(
        "deep syntax does no harm",
        "compile('-' * 300000 + '1', 'x', 'eval')",
        ends("error", "crashed"),
    ),
    Attack(
        "a pickle that asks for memory is refused",
        "import pickle; pickle.loads(b'\\x80\\x04\\x8e' + (1 << 40).to_bytes(8, 'little'))",
        ends("error"),
    ),
    Attack(
        "a pickle runs inside the walls only",
        "import pickle; pickle.loads(b\"cos\\nsystem\\n(S'id > /mnt/data/pwned'\\ntR.\") == 0",
        gives("False"),
    ),
    Attack(
        "a zip bomb fills nothing but its own disk",
        "import zipfile\nwith zipfile.ZipFile('b.zip', 'w', 8) as z:\n"
        " with z.open('big', 'w') as f:\n  for i in range(200): f.write(bytes(1 << 20))\n"
        "zipfile.ZipFile('b.zip').extractall('out')",
        fails_with("OSError"),
        20,
    ),
]

DISK = [
    Attack(
        "a file cannot grow over its limit",
        "f = open('/mnt/data/big', 'wb')\nwhile True: f.write(bytes(1 << 20))",
        fails_with("OSError"),
        20,
    ),
    Attack(
        "a sparse file cannot either",
        "open('/mnt/data/s', 'wb').truncate(10**12)",
        fails_with("OSError"),
    ),
    Attack(
        "many files together cannot fill the host's disk",
        "n = 0\nwhile n < 400:\n open(f'/mnt/data/f{n}', 'wb').write(bytes(1 << 20)); n += 1",
        fails_with("OSError"),
        20,
        ("namespaces",),
    ),
    Attack(
        "inodes are bounded",
        "n = 0\nwhile n < 50000:\n open(f'/tmp/i{n}', 'w').close(); n += 1",
        fails_with("OSError"),
        20,
        ("namespaces",),
    ),
    Attack(
        "a very deep folder does no harm",
        "import os\nfor i in range(1200): os.mkdir('d'); os.chdir('d')\nos.chdir('/mnt/data')",
        ends("ok", "error"),
    ),
]

PROCESSES = [
    Attack("fork is closed", "import os; os.fork()", denied),
    Attack(
        "forkpty is closed",
        "import os; os.forkpty()",
        fails_with("PermissionError", "OSError", "FileNotFoundError"),
    ),
    Attack(
        "vfork and clone are closed",
        RAW
        + "[libc.syscall(*a) for a in ((58,), (56, 17, 0, 0, 0, 0), (56, 0x10000011, 0, 0, 0, 0))]",
        gives("[-1, -1, -1]"),
    ),
    Attack(
        "clone3 is not there",
        RAW + "libc.syscall(435, 0, 0), ctypes.get_errno()",
        gives("(-1, 38)"),
    ),
    Attack("os.system runs nothing", "import os; os.system('id') == 0", gives("False")),
    Attack("subprocess runs nothing", "import subprocess; subprocess.run(['/usr/bin/id'])", denied),
    Attack(
        "a process is not replaced",
        "import os; os.execv('/usr/bin/id', ['id'])",
        denied,
    ),
    Attack(
        "multiprocessing starts nothing",
        "import multiprocessing as m; m.Process(target=print).start()",
        ends("error"),
    ),
    Attack(
        "no process can be killed",
        "import os\ntries = [lambda p=p: os.kill(p, 9) or p for p in (-1, 0, os.getppid(), "
        "SUPERVISOR, 2)]" + TRY_ALL,
        gives("[]"),
    ),
    Attack(
        "no limit, priority or processor of another can be set",
        "import os, resource as r\ntries = [lambda: r.prlimit(SUPERVISOR, r.RLIMIT_NOFILE, (1, "
        "1)), "
        "lambda: os.setpriority(os.PRIO_PROCESS, SUPERVISOR, 19), lambda: "
        "os.sched_setaffinity(SUPERVISOR, {0})]" + TRY_ALL,
        gives("[]"),
    ),
    Attack("the own priority cannot be raised", "import os; os.nice(-5)", denied),
    Attack(
        "ptrace is closed",
        RAW + "libc.ptrace(16, SUPERVISOR, 0, 0), ctypes.get_errno()",
        gives("(-1, 1)"),
    ),
    Attack(
        "the memory of another cannot be read",
        RAW + "libc.syscall(310, SUPERVISOR, 0, 0, 0, 0, 0), ctypes.get_errno()",
        gives("(-1, 1)"),
    ),
    Attack("pidfds are closed", "import os; os.pidfd_open(SUPERVISOR)", denied),
    Attack(
        "it can gain no right again",
        RAW + "[libc.prctl(a, b, 0, 0, 0) for a, b in ((4, 1), (22, 0), (8, 1), (36, 1), (38, 0))]",
        gives("[-1, -1, -1, -1, -1]"),
    ),
    Attack(
        "it can become no other user",
        "import os\ntries = [lambda: os.setuid(0) or 1, lambda: os.setgid(0) or 1, lambda: "
        "os.setgroups([0]) or 1]" + TRY_ALL,
        gives("[]"),
    ),
]

HIDDEN_FILES = (
    *("/etc/shadow", "/proc/self/environ", "/proc/SUPERVISOR/environ", "/proc/SUPERVISOR/mem"),
    *("/sys/kernel/notes", "/dev/kvm", "/dev/mem", "/root" + "/.bashrc", "/var/log/dpkg.log"),
    *("HOST_FILE", "/proc/1/cmdline", "/proc/kallsyms", "/run/systemd/private", "/dev/shm/x"),
)
FILES = [
    *(
        Attack(
            f"{path} cannot be read",
            f"open('{path}', 'rb').read(20)",
            fails_with("FileNotFoundError", "PermissionError"),
        )
        for path in HIDDEN_FILES
    ),
    Attack("the folder of all sessions is shut", "import os; os.listdir('/sessions')", denied),
    Attack(
        "no accounts are seen", "open('/etc/passwd').read()", lambda r: "root" not in str(r.value)
    ),
    Attack("no file of the host is written", "open('HOST_FILE', 'w').write('pwned')", denied),
    Attack(
        "no file of the host is truncated",
        "import os\ntries = [lambda: os.truncate('HOST_FILE', 0) or 1, lambda: "
        "os.open('HOST_FILE', os.O_TRUNC)]" + TRY_ALL,
        gives("[]"),
    ),
    Attack(
        "no file of the host is moved, linked or removed",
        "import os\np = 'HOST_FILE'\ntries = [lambda: os.rename(p, '/mnt/data/x') or 1, lambda: "
        "os.link(p, '/mnt/data/y') or 1, lambda: os.unlink(p) or 1]" + TRY_ALL,
        gives("[]"),
    ),
    Attack(
        "mode and time of a file of the host stay",
        "import os\np = 'HOST_FILE'\ntries = [lambda: os.chmod(p, 0), lambda: os.utime(p, (0, "
        "0)), lambda: os.chown(p, 0, 0)]" + TRY_ALL,
        ends("ok"),
    ),
    Attack(
        "the interpreter's files are not written",
        "import os, sys\ntries = [lambda q=q: open(os.path.join(q, 'pwn.py'), 'w') and q for q "
        "in [*[q for q in sys.path if q != os.environ['HOME']], sys.prefix, '/usr/lib']]" + TRY_ALL,
        gives("[]"),
    ),
    Attack(
        "a device cannot be made",
        "import os; os.mknod('/mnt/data/d', 0o20666, os.makedev(1, 1))",
        denied,
    ),
    Attack("a fifo cannot be made", "import os; os.mkfifo('/mnt/data/f')", denied),
    Attack(
        "handles of files are closed",
        RAW + "libc.syscall(304, 0, 0, 0), ctypes.get_errno()",
        gives("(-1, 1)"),
    ),
    Attack(
        "the other session's file is not there",
        "import os\n[p for q in ('/mnt/data', '/tmp', '/') for p in (os.listdir(q) if "
        "os.access(q, 4) else []) if 'OTHER' in p]",
        ends("ok", "error"),
    ),
]

NETWORK = [
    Attack("TCP is closed", "import socket; socket.create_connection(('1.1.1.1', 53), 2)", denied),
    Attack(
        "ports of the host are closed",
        "import socket; socket.create_connection(('127.0.0.1', PORT), 2)",
        denied,
    ),
    Attack(
        "UDP is closed", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", denied
    ),
    Attack("IPv6 is closed", "import socket; socket.socket(socket.AF_INET6)", denied),
    Attack("Unix sockets are closed", "import socket; socket.socket(socket.AF_UNIX)", denied),
    Attack(
        "netlink, raw, packet, Bluetooth, ALG and vsock are closed",
        "import socket\ntries = [lambda a=a: socket.socket(*a) and a for a in ((16, 3, 0), (2, "
        "3, 1), (17, 3, 3), (31, 3, 0), (38, 5, 0), (40, 1, 0))]" + TRY_ALL,
        gives("[]"),
    ),
    Attack(
        "datagram pairs are closed",
        "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        denied,
    ),
    Attack(
        "a URL is not reached",
        "import urllib.request; urllib.request.urlopen('http://example.com', timeout=2)",
        ends("error"),
    ),
    Attack(
        "asyncio still works, which needs a pair",
        "import asyncio\nasync def f():\n await asyncio.sleep(0.01); return 7\nawait f()",
        gives("7"),
    ),
]

DANGEROUS = {
    "ptrace": 101,
    "process_vm_writev": 311,
    "pidfd_getfd": 438,
    "unshare": 272,
    "setns": 308,
    "mount": 165,
    "umount2": 166,
    "pivot_root": 155,
    "chroot": 161,
    "fsopen": 430,
    "open_tree": 428,
    "move_mount": 429,
    "mount_setattr": 442,
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "keyctl": 250,
    "add_key": 248,
    "request_key": 249,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "kexec_load": 246,
    "init_module": 175,
    "finit_module": 313,
    "personality": 135,
    "modify_ldt": 154,
    "seccomp": 317,
    "landlock_restrict_self": 446,
    "quotactl": 179,
    "swapon": 167,
    "reboot": 169,
    "iopl": 172,
    "ioperm": 173,
    "acct": 163,
    "settimeofday": 164,
    "clock_settime": 227,
    "sethostname": 170,
    "capset": 126,
    "inotify_init1": 294,
    "fanotify_init": 300,
    "msgget": 68,
    "semget": 64,
    "mq_open": 240,
    "splice": 275,
    "vmsplice": 278,
    "sendmsg": 46,
    "recvmsg": 47,
    "bind": 49,
    "execveat": 322,
    "process_madvise": 440,
    "memfd_secret": 447,
    "tkill": 200,
    "syslog": 103,
}
KNOWN = sorted({numbers[0] for numbers in (*ALLOWED.values(), *CONDITIONAL.values())})
KERNEL = [
    *(
        Attack(
            f"the kernel's {name} is closed",
            f"{RAW}libc.syscall({number}, 0, 1, 1, 0, 0, 0), ctypes.get_errno()",
            gives("(-1, 1)"),
        )
        for name, number in DANGEROUS.items()
    ),
    Attack(
        "every call that is not on the list is refused",
        # 335 and 336 (uretprobe, uprobe) pass every filter, and answer with a signal
        f"{RAW}l = []\nfor k in range(1024):\n if k in {[*KNOWN, 335, 336]}: continue\n"
        " ctypes.set_errno(0)\n r = libc.syscall(k, 0, 1, 1, 0, 0, 0)\n"
        " if (r, ctypes.get_errno()) != (-1, 1): l.append(k)\nl",
        gives("[]"),
    ),
    Attack("a uretprobe only ends the process", RAW + "libc.syscall(335)", ends("crashed", "ok")),
    Attack(
        "the x32 table ends the process", RAW + "libc.syscall(0x40000000 + 39)", ends("crashed")
    ),
    Attack(
        "the 32-bit table ends the process",
        "import mmap, ctypes\nm = mmap.mmap(-1, 4096, "
        "prot=7)\nm.write(bytes.fromhex('b814000000cd80c3'))\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()",
        ends("crashed"),
    ),
    Attack(
        "terminal requests are closed",
        "import fcntl; fcntl.ioctl(0, 0x5412, b'x')",
        fails_with("OSError"),
    ),
]


def is_cut(result: CallResult) -> bool:
    text = result.text("stdout")
    return result.end.status == "ok" and len(text) < 51_000 and "left out" in text


OUTPUT = [
    Attack("300 MB of output are cut in the middle", "print('x' * 300_000_000)", is_cut),
    Attack(
        "output without end is cut and stopped",
        "while True: print('spam' * 100)",
        lambda r: survives_interrupt(r) and len(r.text("stdout")) < 51_000,
        0.5,
    ),
    Attack(
        "both streams together are bounded",
        "import sys\nfor i in range(60000): print('o'); print('e', file=sys.stderr)",
        lambda r: len(r.text("stdout")) + len(r.text("stderr")) < 81_000,
    ),
    Attack(
        "raw output without end is stopped and cut",
        "import os\nwhile True: os.write(1, bytes(65536))",
        lambda r: r.end.status == "timeout" and len(r.text("stdout")) < 20_000,
        0.5,
    ),
    Attack(
        "a huge value is cut", "'x' * 50_000_000", lambda r: 19_000 < len(r.value or "") < 21_000
    ),
    Attack(
        "a huge exception is cut",
        "raise ValueError('x' * 50_000_000)",
        lambda r: (
            r.end.error is not None and len(r.end.error.message + r.end.error.traceback) < 20_000
        ),
        10,
    ),
    Attack(
        "an exception that cannot be shown is told",
        "class E(Exception):\n def __str__(s): raise E()\nraise E()",
        fails_with("E"),
    ),
    Attack("lone surrogates and NULs pass", "print('\\ud800\\x00é'); '\\ud800'", ends("ok")),
    Attack(
        "a traceback names no path of the host",
        "import json; json.loads('x')",
        lambda r: r.end.error is not None and not re.search(r'File "/', r.end.error.traceback),
    ),
]

PROTOCOL = [
    Attack(
        "garbage on the channel ends the worker",
        "import os; os.write(3, b'\\xff' * 100)",
        ends("violation"),
    ),
    Attack(
        "a frame of 4 GB ends the worker",
        "import os, struct; os.write(3, struct.pack('>IB', 0xffffffff, 111))",
        ends("violation"),
    ),
    Attack(
        "half a frame ends the worker",
        "import os, struct; os.write(3, struct.pack('>IB', 1000, 111)); os._exit(0)",
        ends("crashed"),
    ),
    Attack("an unknown kind ends the worker", FRAME + "send('z', b'')", ends("violation")),
    Attack(
        "a forged end is not believed",
        FRAME + 'send(\'d\', b\'{"nonce": "x", "status": "ok"}\'); \'real\'',
        gives("'real'"),
    ),
    Attack(
        "a forged end with this call's nonce fools this call only",
        FRAME + NONCE + "send('d', json.dumps({'nonce': nonce}).encode())",
        ends("ok"),
    ),
    Attack("deep JSON ends the worker", FRAME + "send('d', b'[' * 200000)", ends("violation")),
    Attack(
        "wrong types in the end of a call end the worker",
        FRAME
        + NONCE
        + "send('d', json.dumps({'nonce': nonce, 'status': [], 'files': 3}).encode())",
        ends("violation"),
    ),
    Attack(
        "a flood of frames ends the worker",
        FRAME + "while True: send('o', b'x' * 60000)",
        ends("violation"),
    ),
    Attack(
        "a flood of forged ends ends the worker",
        FRAME + "while True: send('d', b'{\"nonce\":\"x\"}')",
        ends("violation", "timeout"),
        3,
    ),
    Attack(
        "an image that is none ends the worker", FRAME + "send('i', b'<script>')", ends("violation")
    ),
    Attack(
        "a ninth image ends the worker",
        FRAME + "for i in range(9): send('i', b'\\x89PNG\\r\\n\\x1a\\n')",
        ends("violation"),
    ),
    Attack("a second value ends the worker", FRAME + "send('r', b'1'); 2", ends("violation")),
    Attack("file bytes in a call end the worker", FRAME + "send('b', b'1')", ends("violation")),
    Attack(
        "closing every descriptor ends the worker",
        "import os; os.closerange(0, 200)",
        ends("crashed"),
    ),
    Attack(
        "a segmentation fault is told",
        "import ctypes; ctypes.string_at(0)",
        lambda r: ends("crashed")(r) and r.end.state_lost,
    ),
    Attack("ending the process is told", "import os; os._exit(0)", ends("crashed")),
    Attack("aborting is told", "import os; os.abort()", ends("crashed")),
    Attack("exit() is an exception", "exit(3)", fails_with("SystemExit", "NameError")),
    Attack(
        "breaking Python itself breaks one session only",
        "import builtins, json, os, sys, struct\njson.dumps = os.write = os.read = struct.pack "
        "= None\n"
        "builtins.print = builtins.len = builtins.open = None\nsys.stdout = "
        "None\nsys.modules.clear()",
        ends("ok", "error", "crashed", "violation"),
    ),
    Attack("closing stdout harms nothing", "import sys; sys.stdout.close()", ends("ok", "error")),
]

SECRETS = [
    Attack(
        "the environment holds nothing of the gateway",
        "import os; [v for v in os.environ.values() if 'sk-of' in v]",
        gives("[]"),
    ),
    Attack(
        "the memory holds nothing of the gateway",
        "import gc\nk = 'sk-of-' + 'the-'\nh = []\nfor o in gc.get_objects():\n if type(o) is "
        "dict:\n"
        "  h += [1 for v in list(o.values()) if type(v) is str and v.startswith(k) and len(v) > "
        "len(k)]\nlen(h)",
        gives("0"),
    ),
    Attack(
        "four descriptors are open and no more",
        "import os\nl = []\nfor i in range(300):\n try: os.fstat(i); l.append(i)\n except "
        "OSError: pass\nl",
        gives("[0, 1, 2, 3]"),
    ),
    Attack(
        "nothing of the gateway can be imported",
        "import responses_gw",
        fails_with("ModuleNotFoundError"),
    ),
    Attack(
        "the gateway's packages cannot be imported",
        "import msgspec",
        fails_with("ModuleNotFoundError"),
    ),
    Attack(
        "no other process is seen",
        "import os; os.listdir('/proc')",
        lambda r: r.value in (None, "[]"),
    ),
    Attack("it is process 1 of its own", "import os; os.getpid()", gives("1"), 5, ("namespaces",)),
    Attack(
        "the host's name is not needed",
        "import os; len(os.listdir('/')) < 15",
        gives("True"),
        5,
        ("namespaces",),
    ),
]

SINGLE_CALLS = KERNEL[: len(DANGEROUS)]
ATTACKS = [
    *TIME,
    *MEMORY,
    *DISK,
    *PROCESSES,
    *FILES,
    *NETWORK,
    *KERNEL,
    *OUTPUT,
    *PROTOCOL,
    *SECRETS,
]


def attacks_with(walls: str) -> Iterator[Attack]:
    return (attack for attack in ATTACKS if walls in attack.walls)
