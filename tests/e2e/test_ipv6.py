"""IPv6 from the command line: cities reach each other, and the world's DNS answers."""

import subprocess

HERE = ("exec", "--from", "tokyo", "--")


def test_a_city_is_reached_from_another_over_ipv6(kunren, until):
    served = ("exec", "--from", "london", "--")
    serve = "import http.server as h; s = h.HTTPServer; s.address_family = 10; "
    serve += "s(('::', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
    server = kunren.popen(*served[1:], kunren.python, "-c", serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asked = (*HERE, "curl", "-6", "-s", "-o", "/dev/null", "-w", "%{http_code} %{local_ip}")
        url = "http://[3fff:0:4:3::10]:8080/nothing"
        until(lambda: kunren.run(*asked, url).stdout == "404 3fff:0:4:1::10", "an answer over IPv6", 20)
    finally:
        server.terminate()
        server.wait(10)


def test_the_public_resolver_and_the_name_servers_answer_over_ipv6(kunren):
    zone = kunren.client("route53", account="100000000006").create_hosted_zone(Name="six.test", CallerReference="six")
    first = zone["DelegationSet"]["NameServers"][0]
    assert kunren.run(*HERE, "dig", "-6", "@3fff::2", "six.test", "SOA", "+short").stdout.startswith("ns-")
    address = kunren.run(*HERE, "dig", first, "AAAA", "+short").stdout.strip()
    assert address.startswith("3fff:0:1::")
    answer = kunren.run(*HERE, "dig", "-6", f"@{address}", "six.test", "SOA", "+norec").stdout
    assert "flags: qr aa" in answer and f"SERVER: {address}#53" in answer
