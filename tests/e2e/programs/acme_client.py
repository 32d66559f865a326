"""An ACME client in the world, on the library that Certbot is made of. Takes one command as JSON on standard input:
`{"do": ..., "directory": URL, ...}`; the account's key is kept in the file `key`. Prints what came of it as JSON."""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import josepy
from acme import client, crypto_util, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key


def key_of(path):
    if not path.exists():
        made = rsa.generate_private_key(65537, 2048)
        path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return josepy.JWKRSA(key=load_pem_private_key(path.read_bytes(), None))


class Story:
    def __init__(self, asked):
        self.asked = asked
        self.key = key_of(Path(asked["key"]))
        self.net = client.ClientNetwork(self.key, user_agent="acme")
        found = client.ClientV2.get_directory(asked["directory"], self.net)
        self.client = client.ClientV2(found, self.net)

    def register(self):
        kid, hmac = self.asked["kid"], self.asked["hmac"]
        binding = messages.ExternalAccountBinding.from_data(self.key, kid, hmac, self.client.directory)
        given = {"external_account_binding": binding, "terms_of_service_agreed": True}
        if self.asked.get("email"):
            given["email"] = self.asked["email"]
        account = self.client.new_account(messages.NewRegistration.from_data(**given))
        return {"url": account.uri, "status": account.body.status, "contact": list(account.body.contact)}

    def known(self):
        """The account that this key has."""
        wanted = messages.NewRegistration(only_return_existing=True)
        try:
            self.net.account = self.client.new_account(wanted)
        except errors.ConflictError as known:
            self.net.account = messages.RegistrationResource(body=messages.Registration(), uri=known.location)
        return self.net.account

    def order(self):
        self.known()
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        csr = crypto_util.make_csr(pem, self.asked["names"])
        order = self.client.new_order(csr)
        states = [each.body.status.name for each in order.authorizations]
        done = self.client.poll_and_finalize(order, datetime.now() + timedelta(seconds=60))
        Path(self.asked["out"]).write_text(done.fullchain_pem)
        Path(self.asked["out"] + ".key").write_bytes(pem)
        return {"before": order.body.status.name, "authorizations": states, "after": done.body.status.name}

    def revoke(self):
        from cryptography.x509 import load_pem_x509_certificate

        self.known()
        self.client.revoke(load_pem_x509_certificate(Path(self.asked["out"]).read_bytes()), self.asked["reason"])
        return {}

    def deactivate(self):
        account = self.client.deactivate_registration(self.known())
        return {"status": account.body.status}


def main():
    asked = json.load(sys.stdin)
    try:
        told = getattr(Story(asked), asked["do"])()
    except messages.Error as error:
        told = {"error": error.code, "detail": error.detail}
    except errors.IssuanceError as error:
        told = {"error": error.error.code, "detail": error.error.detail}
    print(json.dumps(told))


main()
