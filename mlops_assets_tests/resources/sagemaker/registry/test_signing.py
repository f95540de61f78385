"""Signatures of packages: a key in a file or in KMS, and nothing that passes without one."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.resources.sagemaker.registry.signing import Signing, SigningError
from mlops_assets_tests.aws_server import aws_server, environment

STATEMENT = b'{"artifact_digest":"ab"}'


def written(path: Path, key: Any, *, public: bool = False) -> str:
    encoding = serialization.Encoding.PEM
    data = (
        key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        if public
        else key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path.write_bytes(data)
    return str(path)


def pair(directory: Path, name: str = "key") -> tuple[str, str]:
    """Paths of a private and a public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = written(directory / f"{name}.pem", key)
    return private, written(directory / f"{name}.pub.pem", key, public=True)


def test_what_is_signed_here_is_checked_there(tmp_path) -> None:
    private, public = pair(tmp_path)
    signature = Signing(signing_key=private).sign(STATEMENT)
    assert signature
    Signing(verify_key=public).check(STATEMENT, signature)
    Signing(signing_key=private).check(STATEMENT, signature)


@given(st.binary(max_size=80), st.integers(0, 600), st.integers(1, 255))
def test_a_changed_byte_of_either_is_noticed(tmp_path_factory, statement, at, by) -> None:
    """Any byte of the statement or of the signature, not only the ones somebody thought of."""
    directory = tmp_path_factory.mktemp("keys")
    private, public = pair(directory)
    signature = Signing(signing_key=private).sign(statement)
    assert signature
    raw = bytearray(base64.b64decode(signature))
    raw[at % len(raw)] ^= by
    with pytest.raises(SigningError, match="does not hold"):
        Signing(verify_key=public).check(statement, base64.b64encode(raw).decode())
    changed = bytearray(statement + b"x")
    changed[at % len(changed)] ^= by
    with pytest.raises(SigningError, match="does not hold"):
        Signing(verify_key=public).check(bytes(changed), signature)


def test_without_a_key_nothing_is_signed_and_nothing_is_asked_for() -> None:
    assert Signing().sign(STATEMENT) is None
    assert not Signing().required
    Signing().check(STATEMENT, "")


@pytest.mark.parametrize(
    ("signature", "message"), [("", "is not signed"), ("!!", "is not base64"), ("AAAA", "not hold")]
)
def test_with_a_key_whatever_is_no_signature_is_refused(tmp_path, signature, message) -> None:
    """A missing signature must not count as none being asked for."""
    _, public = pair(tmp_path)
    with pytest.raises(SigningError, match=message):
        Signing(verify_key=public).check(STATEMENT, signature)


def test_another_s_signature_is_refused_and_an_old_key_s_beside_the_new_one_is_not(tmp_path):
    """While keys are changed both are in the file; afterwards the old one signs nothing."""
    old, old_public = pair(tmp_path, "old")
    _, new_public = pair(tmp_path, "new")
    signature = Signing(signing_key=old).sign(STATEMENT)
    assert signature
    with pytest.raises(SigningError, match="was signed with another key"):
        Signing(verify_key=new_public).check(STATEMENT, signature)
    both = tmp_path / "both.pem"
    both.write_bytes(Path(new_public).read_bytes() + Path(old_public).read_bytes())
    Signing(verify_key=str(both)).check(STATEMENT, signature)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.write_text("no key"), "holds no private key in PEM"),
        (
            lambda path: written(path, ec.generate_private_key(ec.SECP384R1())),
            "is secp384r1, not an elliptic-curve key on P-256",
        ),
        (lambda path: written(path, ed25519.Ed25519PrivateKey.generate()), "not an elliptic"),
        (
            lambda path: written(path, rsa.generate_private_key(65537, 2048)),
            "not an elliptic-curve key on P-256",
        ),
    ],
)
def test_a_key_that_cannot_sign_is_named_with_the_remedy(tmp_path, made, message) -> None:
    made(tmp_path / "key.pem")
    with pytest.raises(SigningError, match=message) as caught:
        Signing(signing_key=str(tmp_path / "key.pem")).sign(STATEMENT)
    assert "MLOPS_SIGNING_KEY=" in str(caught.value)


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_a_file_without_a_public_key_is_no_open_door(tmp_path, content) -> None:
    """No key to try is not the same as no key that objects."""
    path = tmp_path / "public.pem"
    path.write_text(content)
    with pytest.raises(SigningError, match=r"MLOPS_VERIFY_KEY=.* holds no public key"):
        Signing(verify_key=str(path)).check(STATEMENT, base64.b64encode(b"x").decode())


def test_no_message_shows_the_key(tmp_path) -> None:
    """A key that was pasted into the wrong file ends in a log otherwise."""
    private, _ = pair(tmp_path)
    secret = Path(private).read_text().splitlines()[1]
    with pytest.raises(SigningError) as caught:
        Signing(verify_key=private).check(STATEMENT, base64.b64encode(b"x").decode())
    assert secret not in str(caught.value)


@pytest.mark.integration
def test_kms_signs_what_a_public_key_file_and_kms_check(tmp_path, monkeypatch) -> None:
    """In AWS the private key never leaves KMS; who deploys may hold the public one as a file."""
    import boto3

    with aws_server() as url:
        for name, value in environment(url).items():
            monkeypatch.setenv(name, value)
        kms = boto3.client("kms")
        keys = [
            kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]
            for _ in range(2)
        ]
        arn, other = (key["Arn"] for key in keys)
        signature = Signing(signing_key=arn).sign(STATEMENT)
        assert signature
        Signing(verify_key=arn).check(STATEMENT, signature)
        Signing(signing_key=arn).check(STATEMENT, signature)
        spki = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
        path = tmp_path / "kms.pem"
        path.write_bytes(
            spki.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        Signing(verify_key=str(path)).check(STATEMENT, signature)
        for key, statement in ((other, STATEMENT), (arn, STATEMENT + b"x")):
            with pytest.raises(SigningError, match="does not hold"):
                Signing(verify_key=key).check(statement, signature)
