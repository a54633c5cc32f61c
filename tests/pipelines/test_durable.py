"""Copies of large files: the same bytes and a life of their own, whether or not the file system can share blocks."""

import fcntl
import io
import os

import pytest

from meterhouse.durable import BLOCK, PIECE, clone


def test_a_clone_has_the_bytes_of_the_original_and_changes_alone(tmp_path):
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(bytes(range(256)) * 4096)
    copy.write_bytes(b"longer than nothing")
    clone(original, copy)
    assert copy.read_bytes() == original.read_bytes()
    copy.write_bytes(b"x")
    assert original.stat().st_size == 2**20


def refuse(*_):
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, PIECE, PIECE + 1, 2 * PIECE + BLOCK + 7])
@pytest.mark.parametrize("past_the_cache", [True, False])
def test_where_blocks_cannot_be_shared_the_bytes_are_copied(size, past_the_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "ioctl", refuse)
    if not past_the_cache:
        monkeypatch.delattr(os, "O_DIRECT")
    (tmp_path / "original").write_bytes(bytes(range(251)) * (size // 251) + bytes(size % 251))
    clone(tmp_path / "original", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "original").read_bytes()


def test_a_copy_past_the_cache_that_breaks_off_is_made_again_from_the_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "ioctl", refuse)
    monkeypatch.setattr("meterhouse.durable._write", lambda copy, blocks: (copy.write(blocks), refuse()))
    (tmp_path / "original").write_bytes(b"rows" * BLOCK)
    clone(tmp_path / "original", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"rows" * BLOCK


def test_a_copy_past_the_cache_that_is_read_in_parts_of_blocks_is_made_again(tmp_path, monkeypatch):
    class Interrupted(io.FileIO):
        def readinto(self, piece):
            return super().readinto(memoryview(piece)[: BLOCK + 100] if self.tell() == 0 else piece)

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    monkeypatch.setattr(os, "O_DIRECT", 0)  # as on a file system that takes it and does not insist on whole blocks
    monkeypatch.setattr("meterhouse.durable.io.FileIO", Interrupted)
    (tmp_path / "original").write_bytes(bytes(range(256)) * 64)
    clone(tmp_path / "original", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == bytes(range(256)) * 64


def test_a_name_that_shares_its_file_with_another_is_replaced_and_never_written_through(tmp_path):
    original, kept = tmp_path / "original", tmp_path / "kept"
    original.write_bytes(b"rows")
    kept.hardlink_to(original)
    clone(original, kept)
    assert (original.read_bytes(), kept.read_bytes()) == (b"rows", b"rows")
    assert original.stat().st_nlink == 1
