// The function at the edge: looks the Host header up and answers with a redirect.
const domains = {/* domains */};

function handler(event) {
  const request = event.request;
  const found = domains[request.headers.host.value.split(':')[0].toLowerCase()];
  if (!found) return {statusCode: 404, statusDescription: 'Not Found'};
  let location = found[0];
  if (found[2]) {
    // the target's path, then the request's; the query of the target stays behind both
    const parts = location.split('?');
    location = parts[0].replace(/\/$/, '') + request.uri + (parts.length > 1 ? '?' + parts[1] : '');
  }
  if (found[3]) {
    const query = Object.entries(request.querystring).flatMap((entry) =>
      (entry[1].multiValue || [entry[1]]).map((each) => entry[0] + '=' + each.value)).join('&');
    if (query) location += '?' + query;
  }
  return {
    statusCode: found[1],
    statusDescription: found[1] === 301 ? 'Moved Permanently' : 'Found',
    headers: {location: {value: location}},
  };
}
