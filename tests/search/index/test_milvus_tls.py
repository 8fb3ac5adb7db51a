"""A server behind TLS and a token: Milvus Lite's engine in this process, served as a secured Milvus would be."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import grpc
import pytest
import trustme
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.db import MilvusLite
from pymilvus.grpc_gen import milvus_pb2_grpc

from fourtower_search.errors import IndexMismatch
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.milvus.collections import exists
from fourtower_search.index.milvus.connection import Connection

TOKEN = "keeper:s3cret"


class Guard(grpc.ServerInterceptor):
    """Lets calls pass that carry the token, as Milvus does."""

    def intercept_service(self, continuation, details):
        given = dict(details.invocation_metadata).get("authorization", "")
        if given == base64.b64encode(TOKEN.encode()).decode():
            return continuation(details)

        def refuse(_, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check username and password")

        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.fixture
def authority(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return authority


@pytest.fixture
def port(authority, tmp_path):
    certificate = authority.issue_cert("localhost")
    database = MilvusLite(str(tmp_path / "secured"))
    server = grpc.server(ThreadPoolExecutor(4), interceptors=[Guard()])
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), server)
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    yield port
    server.stop(grace=None).wait()
    database.close()


def test_a_secured_server_is_reached_with_its_certificate_and_token(port, tmp_path):
    for address, token in ((f"milvuss://localhost:{port}", TOKEN), (f"milvuss://{TOKEN}@localhost:{port}", "")):
        with closing(
            Connection(parse_address(address), token=token, ca_file=tmp_path / "ca.pem", timeout_s=20)
        ) as connection:
            assert not exists(connection, "anything", Deadline(20))
            with closing(connection.another(timeout_s=20)) as second:
                assert not exists(second, "anything", Deadline(20))


def test_a_wrong_token_is_a_fault_of_the_deployment_and_not_repeated_in_messages(port, tmp_path):
    with pytest.raises(IndexMismatch, match="check the address, the token") as caught:
        Connection(parse_address(f"milvuss://me:hunter2@localhost:{port}"), ca_file=tmp_path / "ca.pem", timeout_s=20)
    assert "hunter2" not in str(caught.value)


def test_a_certificate_of_an_unknown_authority_is_not_accepted(port):
    with pytest.raises(IndexMismatch, match="CERTIFICATE_VERIFY_FAILED"):
        Connection(parse_address(f"milvuss://{TOKEN}@localhost:{port}"), timeout_s=20)


def test_a_missing_certificate_file_is_named(port, tmp_path):
    with pytest.raises(IndexMismatch, match=r"nothing\.pem"):
        Connection(parse_address(f"milvuss://localhost:{port}"), ca_file=tmp_path / "nothing.pem", timeout_s=5)
