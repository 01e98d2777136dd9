"""Certificates of an authority of the tests' own, made while they run."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
_Key = ec.EllipticCurvePrivateKey


class Authority:
    """Signs what it is asked for."""

    def __init__(self, folder: Path, name: str = "the tests") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._own = self._signed(self._name, self._key, None, ends_in=DAY)
        self.file = folder / f"{name}.pem".replace(" ", "-")
        """Its own certificate, to be trusted."""
        self.file.write_bytes(self._own.public_bytes(serialization.Encoding.PEM))

    def server(self, host: str, ends_in: datetime.timedelta = DAY) -> ssl.SSLContext:
        """A server's side of TLS, as `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        signed = self._signed(subject, key, host, ends_in)
        file = self._folder / f"{host}-{ends_in.days}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(
        self, subject: x509.Name, key: _Key, host: str | None, ends_in: datetime.timedelta
    ) -> x509.Certificate:
        """`host` None: the authority's own."""
        now = datetime.datetime.now(datetime.UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 10 * DAY)
            .not_valid_after(now + ends_in)
            .add_extension(x509.BasicConstraints(host is None, None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
                critical=False,
            )
        )
        if host is None:
            usage = x509.KeyUsage(
                digital_signature=True, content_commitment=False, key_encipherment=False,
                data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
                encipher_only=False, decipher_only=False,
            )  # fmt: skip
            made = made.add_extension(usage, critical=True).add_extension(identifier, False)
        else:
            name = x509.SubjectAlternativeName([x509.DNSName(host)])
            made = made.add_extension(name, critical=False)
        return made.sign(self._key, hashes.SHA256())
