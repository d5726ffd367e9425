"""What plugins do with the standard library: run confined by a test, and traced for the filter."""
# ruff: noqa: F401, PT018 - imports are the point, and one line each is enough for the rest

import ast
import asyncio
import bz2
import concurrent.futures
import csv
import ctypes
import datetime
import decimal
import difflib
import email
import fnmatch
import glob
import gzip
import hashlib
import hmac
import html.parser
import io
import json
import locale
import logging
import lzma
import mimetypes
import mmap
import os
import pickle
import platform
import queue
import random
import re
import resource
import secrets
import select
import selectors
import shutil
import signal
import socket
import sqlite3
import ssl
import statistics
import string
import sys
import tarfile
import tempfile
import textwrap
import threading
import time
import tokenize
import tomllib
import traceback
import unicodedata
import urllib.request
import uuid
import warnings
import xml.etree.ElementTree
import zipfile
import zoneinfo

assert json.loads(json.dumps({"a": [1, 2]})) and re.findall(r"\d+", "a1b22")
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "x.txt")
    with open(path, "w") as file:
        file.write("hi" * 1000)
    with open(path, "r+b") as file:
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ).close()
        file.truncate(10)
        os.fsync(file.fileno())
    shutil.copyfile(path, path + "2")
    os.rename(path + "2", path + "3")
    os.link(path, path + "4")
    os.symlink(path, path + "5")
    os.makedirs(folder + "/a/b")
    shutil.move(path + "3", folder + "/a/")
    database = sqlite3.connect(folder + "/t.db")
    database.execute("pragma journal_mode=wal")
    database.execute("create table t(a)")
    database.executemany("insert into t values(?)", [(i,) for i in range(1000)])
    database.commit()
    assert database.execute("select count(*) from t").fetchone() == (1000,)
    database.close()
    with zipfile.ZipFile(folder + "/z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", "b" * 1000)
    with zipfile.ZipFile(folder + "/z.zip") as archive:
        archive.extractall(folder + "/zz")
    with tarfile.open(folder + "/t.tgz", "w:gz") as archive:
        archive.add(path, "p")
    assert [*os.walk(folder)] and glob.glob(folder + "/*")
    tempfile.NamedTemporaryFile(dir=folder).close()
    tempfile.TemporaryFile(dir=folder).close()
    logging.basicConfig(filename=folder + "/log")
    logging.warning("kept")
assert hashlib.sha256(b"x").hexdigest() and hashlib.pbkdf2_hmac("sha256", b"a", b"b", 10)
assert random.random() < 1 and os.urandom(3) and uuid.uuid4() and uuid.uuid1() and secrets.token_hex()
assert datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Berlin")).tzname()
assert time.localtime() and time.strftime("%c")
with concurrent.futures.ThreadPoolExecutor() as pool:
    assert list(pool.map(len, ["a", "bb"])) == [1, 2]


async def _wait():
    return await asyncio.gather(asyncio.sleep(0.01), asyncio.to_thread(time.sleep, 0.01))


asyncio.run(_wait())
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.01)
time.sleep(0.02)
signal.raise_signal(signal.SIGCHLD)
assert platform.platform() and os.cpu_count() and os.getloadavg() and os.uname().machine
assert mimetypes.guess_type("a.html")[0] == "text/html"
assert locale.setlocale(locale.LC_ALL, "")
ssl.create_default_context()
assert os.path.expanduser("~") == os.environ["HOME"] and os.statvfs(".") and os.times()
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)(3) == 4
one, other = socket.socketpair()
one.sendall(b"x")
with selectors.DefaultSelector() as waiting:
    waiting.register(other, selectors.EVENT_READ)
    assert waiting.select(1)
assert (
    lzma.decompress(lzma.compress(b"x"))
    == bz2.decompress(bz2.compress(b"x"))
    == gzip.decompress(gzip.compress(b"x"))
)
assert pickle.loads(pickle.dumps({1})) == {1}
with open(os.devnull, "w") as file:
    file.write("x")
