"""Compressed session files: whole, cut short, of several frames or without a decoder; none is skipped silently."""

import shutil
import subprocess

import pytest
import zstandard

from collectors.laptop import Laptop, jsonl, numbers, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import stream
from meterhouse_collector.__main__ import main

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


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_an_archived_session_is_read_and_repeats_nothing(laptop, monkeypatch, decoder):
    if shutil.which("zstd") is None:
        pytest.skip("the zstd program is not installed")
    monkeypatch.setattr(stream, "decoder", lambda: decoder)
    laptop.append(jsonl([turn(1), turn(2)]))
    laptop.append(jsonl([turn(3)]), "b.jsonl")
    laptop.once()
    laptop.append(jsonl([turn(4)]))
    subprocess.run(["zstd", "-q", "--rm", laptop.file()], check=True)
    laptop.once()
    assert sorted(numbers(laptop)) == [1, 2, 3, 4]


def test_an_archive_without_a_decoder_is_reported_never_skipped_silently(laptop, monkeypatch, capsys):
    monkeypatch.setattr(stream, "decoder", lambda: None)
    laptop.file("a.jsonl.zst").write_bytes(b"(\xb5/\xfd")
    laptop.append(jsonl([turn(1)]), "b.jsonl")
    assert laptop.once() == 0
    assert numbers(laptop) == [1]
    assert main(laptop.arguments("doctor")) == 1
    assert main(laptop.arguments("status")) == 0
    shown = capsys.readouterr().out
    assert shown.count("without a decoder") == 2
    assert "zstd archives and no decoder" in shown


def test_a_damaged_archive_is_reported_and_read_once_it_is_whole(laptop):
    if shutil.which("zstd") is None:
        pytest.skip("the zstd program is not installed")
    whole = subprocess.run(
        ["zstd", "-qc"], input=jsonl(turn(n) for n in range(2000)).encode(), stdout=subprocess.PIPE, check=True
    )
    laptop.file("a.jsonl.zst").write_bytes(whole.stdout[:-20])
    laptop.once()
    laptop.file("a.jsonl.zst").write_bytes(whole.stdout)
    laptop.once()
    assert numbers(laptop) == list(range(2000))
