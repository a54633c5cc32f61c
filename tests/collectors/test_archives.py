"""Compressed session files: cut short or of several frames, through every decoder."""

import shutil
import subprocess

import pytest
import zstandard

from collectors.laptop import Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import stream

DECODERS = {"the program": "zstd", "the package": "zstandard"}


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path)


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
@pytest.mark.parametrize("cut", [1, 20, 4000])
def test_a_cut_archive_is_told_by_every_decoder(laptop, monkeypatch, capfd, decoder, cut):
    if shutil.which("zstd") is None:
        pytest.skip("the zstd program is not installed")
    monkeypatch.setattr(stream, "decoder", lambda: decoder)
    text = jsonl(turn(n, text=f"{n * 7919}") for n in range(2000)).encode()
    whole = subprocess.run(["zstd", "-qc"], input=text, stdout=subprocess.PIPE, check=True).stdout
    laptop.file("a.jsonl.zst").write_bytes(whole[:-cut])
    laptop.once()
    assert "1 files could not be read" in capfd.readouterr().err


def test_an_archive_of_several_frames_is_read_to_its_end(laptop, monkeypatch):
    monkeypatch.setattr(stream, "decoder", lambda: "zstandard")
    frames = [zstandard.compress(jsonl([turn(n)]).encode()) for n in range(3)]
    laptop.file("a.jsonl.zst").write_bytes(b"".join(frames))
    laptop.once()
    assert laptop.ids() == ["turn-0", "turn-1", "turn-2"]
