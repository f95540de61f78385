"""Signatures of model packages: ECDSA on P-256 with SHA-256, by a key in a file or in AWS KMS.

Here: signing a statement and checking a signature. Not here: what the statement about a package
says (provenance.py), or when one is asked for (the assets).
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

_KMS_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(key|alias)/.+")
_ALGORITHM = "ECDSA_SHA_256"
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.S)


class SigningError(ValueError):
    """A key cannot be used, or a signature does not hold; the message says which and why."""


class Signing(dg.ConfigurableResource):
    """Signs where models are registered, checks where they are deployed.

    Either key may be a PEM file or the ARN of an asymmetric KMS key (ECC_NIST_P256, SIGN_VERIFY);
    signatures of both kinds are the same, so one can be made by KMS and checked with a file.
    """

    signing_key: str = Field(default="", description="Private key; empty: nothing is signed.")
    verify_key: str = Field(
        default="",
        description="Public key, or several in one file while keys are changed. Empty: the "
        "signing key's own; where that is empty too, signatures are not asked for.",
    )

    @property
    def required(self) -> bool:
        """Whether an unsigned package is refused."""
        return bool(self.verify_key or self.signing_key)

    def sign(self, statement: bytes) -> str | None:
        """The signature in base64; None where no signing key is configured.

        Raises:
            SigningError: the key is not there, or is not one on P-256.
        """
        if not self.signing_key:
            return None
        if _KMS_ARN.fullmatch(self.signing_key):
            signature = _kms(self.signing_key).sign(
                KeyId=self.signing_key,
                Message=_message(statement),
                MessageType="RAW",
                SigningAlgorithm=_ALGORITHM,
            )["Signature"]
        else:
            from cryptography.hazmat.primitives import hashes
            from cryptography.hazmat.primitives.asymmetric import ec

            key = _private(self.signing_key)
            signature = key.sign(_message(statement), ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(signature).decode()

    def check(self, statement: bytes, signature: str) -> None:
        """Pass where the signature holds, or where none is required.

        Raises:
            SigningError: it is missing or does not hold, or the key cannot be read.
        """
        if not self.required:
            return
        where = self.verify_key or self.signing_key
        if not signature:
            raise SigningError(
                f"it is not signed, and {where} asks for a signature: register the model again "
                "where MLOPS_SIGNING_KEY is set"
            )
        try:
            raw = base64.b64decode(signature, validate=True)
        except ValueError:
            raise SigningError(f"its signature {signature[:20]!r} is not base64") from None
        if not self._holds(statement, raw):
            raise SigningError(
                f"its signature does not hold under {where}: it was signed with another key, or "
                "changed since"
            )

    def _holds(self, statement: bytes, signature: bytes) -> bool:
        where = self.verify_key or self.signing_key
        if _KMS_ARN.fullmatch(where):
            return _kms_holds(where, statement, signature)
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        keys = _public(self.verify_key) if self.verify_key else [_private(where).public_key()]
        for key in keys:
            try:
                key.verify(signature, _message(statement), ec.ECDSA(hashes.SHA256()))
            except InvalidSignature:
                continue
            return True
        return False


def _message(statement: bytes) -> bytes:
    """What is signed for a statement: its SHA-256, for KMS takes 4,096 bytes at most."""
    return hashlib.sha256(statement).digest()


def _kms(arn: str) -> Any:
    import boto3

    found = _KMS_ARN.fullmatch(arn)
    return boto3.client("kms", region_name=found[1] if found else None)


def _kms_holds(arn: str, statement: bytes, signature: bytes) -> bool:
    client = _kms(arn)
    try:
        answer = client.verify(
            KeyId=arn,
            Message=_message(statement),
            MessageType="RAW",
            Signature=signature,
            SigningAlgorithm=_ALGORITHM,
        )
    except client.exceptions.KMSInvalidSignatureException:
        return False
    return bool(answer["SignatureValid"])


def _private(path: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read("MLOPS_SIGNING_KEY", path), password=None)
    except (ValueError, TypeError) as error:
        raise SigningError(
            f"MLOPS_SIGNING_KEY={path} holds no private key in PEM without a password ({error}). "
            f"Make one with: openssl ecparam -name prime256v1 -genkey -noout -out {path}"
        ) from None
    return _on_p256("MLOPS_SIGNING_KEY", path, key)


def _public(path: str) -> list[Any]:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    blocks = _PEM.findall(_read("MLOPS_VERIFY_KEY", path))
    if not blocks:
        raise SigningError(
            f"MLOPS_VERIFY_KEY={path} holds no public key in PEM. Make it with: "
            f"openssl ec -in <private key> -pubout -out {path}"
        )
    try:
        keys = [load_pem_public_key(block) for block in blocks]
    except ValueError as error:
        raise SigningError(f"MLOPS_VERIFY_KEY={path} cannot be read: {error}") from None
    return [_on_p256("MLOPS_VERIFY_KEY", path, key) for key in keys]


def _on_p256(variable: str, path: str, key: Any) -> Any:
    name = getattr(getattr(key, "curve", None), "name", type(key).__name__)
    if name != "secp256r1":
        raise SigningError(
            f"{variable}={path} is {name}, not an elliptic-curve key on P-256 (prime256v1)"
        )
    return key


def _read(variable: str, path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise SigningError(f"{variable}={path} cannot be read: {error.strerror}") from None
