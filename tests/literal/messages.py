"""The wire's messages as the stock protobuf runtime has them, from one of two sets of .proto files.

  "bare"   tests/literal/bare/   the bare editions, which know of no addition
  "full"   proto/                the additive editions

generated(set)  imports what `protoc --python_out` wrote. Both sets have the same packages, and a
                process has one default pool: one set per process, a second one is refused.
dynamic(set)    builds the same from a descriptor set in a pool of its own: how a test that plays
                the bare client talks to itself as the additive one.

Files are written at test time below $IMS_BUILD_DIR/literal_pb, once per content: names carry a hash
and appear by rename, so suites may start side by side.
"""

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, symbol_database

SOURCE_DIR = Path(__file__).resolve().parents[2]
BUILD_DIR = Path(os.environ.get("IMS_BUILD_DIR", SOURCE_DIR / "build" / "release"))

FOLDERS = {"bare": SOURCE_DIR / "tests" / "literal" / "bare", "full": SOURCE_DIR / "proto"}
FILES = ("ims.proto", "ims_v1.proto", "ims_v2.proto")


class Messages:
    """Every message of one set as an attribute: m.Connect, m.GroupResult, ...; the outer frames are
    m.CommandV1 and m.CommandV2. Enums are plain numbers (codes.py): both runtimes take them."""

    def __init__(self, set_name, find):
        self.set_name = set_name
        self._find = find
        self.CommandV1 = find("ims.v1.Command")
        self.CommandV2 = find("ims.v2.Command")

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        found = self._find("ims." + name)
        setattr(self, name, found)
        return found


_generated = None


def generated(set_name):
    global _generated
    if _generated is not None:
        if _generated.set_name != set_name:
            raise RuntimeError(f"this process already loaded the {_generated.set_name} set")
        return _generated
    folder = _compiled(set_name)
    sys.path.insert(0, str(folder))
    try:
        for name in FILES:
            importlib.import_module(name.replace(".proto", "_pb2"))
    finally:
        sys.path.remove(str(folder))
    _generated = Messages(set_name, symbol_database.Default().GetSymbol)
    return _generated


def dynamic(set_name):
    descriptors = descriptor_pb2.FileDescriptorSet()
    descriptors.ParseFromString((_compiled(set_name) / "set.desc").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return Messages(set_name,
                    lambda name: factory.GetPrototype(pool.FindMessageTypeByName(name)))


def _compiled(set_name):
    folder = FOLDERS[set_name]
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((folder / name).read_bytes())
    parent = BUILD_DIR / "literal_pb"
    target = parent / f"{set_name}-{digest.hexdigest()[:16]}"
    if target.exists():
        return target
    parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{set_name}-", dir=parent))
    subprocess.run(["protoc", f"--proto_path={folder}", f"--python_out={fresh}",
                    "--include_imports", f"--descriptor_set_out={fresh / 'set.desc'}", *FILES],
                   check=True)
    try:
        fresh.rename(target)
    except OSError:  # another suite was first: its files are the same
        shutil.rmtree(fresh)
    return target
