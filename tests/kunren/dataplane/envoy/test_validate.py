"""What a listener's shape is, for its check."""

from kunren.dataplane.envoy.validate import candidate, shape


def chain(*names):
    return {"filter_chain_match": {"server_names": list(names)}, "name": "any"}


def test_filter_chains_name_servers_of_their_own_in_a_shape():
    names = [each["filter_chain_match"]["server_names"] for each in shape([chain("a.test", "b.test"), chain("c.test")])]
    assert names == [["0.test"], ["1.test"]]
    assert shape([chain("a.test")]) == shape([chain("b.test", "c.test")])


def test_a_candidate_keeps_the_protocol(tmp_path):
    address = {"address": "198.18.0.9", "port_value": 443, "protocol": "UDP", "network_namespace_filepath": "/n"}
    config = candidate({"udp": {"address": {"socket_address": address}}}, {}, tmp_path)
    (listener,) = config["static_resources"]["listeners"]
    assert listener["address"] == {
        "socket_address": {"address": "127.0.0.1", "port_value": 20000, "protocol": "UDP"}
    }  # fmt: skip
