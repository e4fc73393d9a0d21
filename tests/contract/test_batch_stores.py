"""`batch` from one bucket to another, on an S3 server on loopback."""

import hashlib
import subprocess
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from tests.support.batch import command_line, rows_of, run_batch
from tests.support.environment import ROOT
from tests.support.object_store import ObjectStore, object_store
from tests.support.serving import environment
from tests.support.waiting import wait_until

IMAGES = 500


def client(store: ObjectStore) -> Any:
    """Return AWS's own client of the server."""
    import boto3

    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    endpoint, key, secret, region = (store.environment[name] for name in names)
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name=region,
    )


def fill(s3: Any, photo: bytes, count: int) -> None:
    """Put different small images, in folders, and one object that is none."""
    s3.create_bucket(Bucket="photos")
    s3.create_bucket(Bucket="cutouts")
    with Image.open(BytesIO(photo)) as image:
        for number in range(count):
            file = BytesIO()
            image.resize((160, 120 + number % 50)).save(file, "JPEG", quality=50 + number % 40)
            s3.put_object(Bucket="photos", Key=f"a/{number % 7}/{number}.jpg", Body=file.getvalue())
    s3.put_object(Bucket="photos", Key="a/readme.txt", Body=b"no image")


def assert_all_there(s3: Any, manifest: Path, count: int) -> None:
    """Assert that every image has one row and one object with its bytes and content type."""
    rows = rows_of(manifest)
    assert [row["code"] for row in rows] == ["ok"] * count
    assert len({row["output"] for row in rows}) == count
    for row in rows:
        found = s3.get_object(Bucket="cutouts", Key=f"b/{row['output']}")
        assert hashlib.sha256(found["Body"].read()).hexdigest() == row["sha256"]
        assert found["ContentType"] == "image/png"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="cutouts")
    assert sum(page["KeyCount"] for page in pages) == count


@pytest.mark.slow
def test_five_hundred_images_in_and_out_though_every_tenth_request_is_refused(
    photo: bytes, tmp_path: Path
) -> None:
    pytest.importorskip("s3fs", reason="needs the extra `stores`")
    with object_store() as store:
        s3 = client(store)
        fill(s3, photo, IMAGES)
        store.refused_every = 10
        arguments = ["s3://photos/a", "s3://cutouts/b", "--manifest", str(tmp_path / "m.jsonl")]
        result = run_batch(*arguments, **store.environment)
        assert result.returncode == 0, result.stdout + result.stderr
        assert store.refused > IMAGES / 10
        store.refused_every = 0
        assert_all_there(s3, tmp_path / "m.jsonl", IMAGES)
        again = run_batch(*arguments, **store.environment)
        assert f"{IMAGES}  done before" in again.stdout
        missing = run_batch("s3://missing/a", *arguments[1:], **store.environment)
        assert missing.returncode == 2
        assert missing.stderr.startswith("batch: s3://missing/a cannot be listed: ")


@pytest.mark.slow
def test_every_connection_leads_to_loopback(photo: bytes, tmp_path: Path) -> None:
    pytest.importorskip("s3fs", reason="needs the extra `stores`")
    with object_store() as store:
        fill(client(store), photo, 20)
        command = command_line(
            "s3://photos/a", "s3://cutouts/b", "--manifest", tmp_path / "m.jsonl"
        )
        settings = environment(**store.environment)
        with subprocess.Popen(command, cwd=ROOT, env=settings) as process:
            seen: set[str] = set()
            tree = psutil.Process(process.pid)

            def ended() -> bool:
                with suppress(psutil.NoSuchProcess):
                    for link in tree.net_connections():
                        seen.update({link.laddr.ip, *([link.raddr.ip] if link.raddr else [])})
                return process.poll() is not None

            wait_until(ended, 120, pause=0.02)
        assert process.returncode == 0
        assert seen == {"127.0.0.1"}
