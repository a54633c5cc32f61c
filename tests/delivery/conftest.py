"""What the delivery tests share: a laptop, an intake in this process, an S3 server."""

import pytest

from delivery import house


@pytest.fixture
def laptop(tmp_path):
    """60 events on disk, unread."""
    made = house.Laptop(tmp_path)
    made.append(house.jsonl(house.turn(n) for n in range(60)))
    return made


@pytest.fixture
def intake(laptop, monkeypatch):
    """Takes segments of ten events from this laptop, stores them where the laptop's folder destination would lie."""
    made = house.Intake(laptop.root, laptop.to)
    house.quick(monkeypatch, made.token)
    house.small_segments(monkeypatch)
    yield made
    made.close()


@pytest.fixture(scope="session")
def s3_server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch, request):
    """A new bucket."""
    return house.Bucket(s3_server, f"lake-{abs(hash(request.node.name))}", monkeypatch)
