// The function at the edge: looks the Host header up in the key value store and answers with a redirect.
import cf from 'cloudfront';

const domains = cf.kvs();

async function handler(event) {
  const request = event.request;
  let found;
  try {
    found = await domains.get(request.headers.host.value.split(':')[0].toLowerCase(), {format: 'json'});
  } catch (error) {
    return {statusCode: 404, statusDescription: 'Not Found'};
  }
  let location = found.url;
  if (found.carry_path) {
    // the target's path, then the request's; the query of the target stays behind both
    const parts = location.split('?');
    location = parts[0].replace(/\/$/, '') + request.uri + (parts.length > 1 ? '?' + parts[1] : '');
  }
  if (found.carry_query) {
    const query = Object.entries(request.querystring).flatMap((entry) =>
      (entry[1].multiValue || [entry[1]]).map((each) => entry[0] + '=' + each.value)).join('&');
    if (query) location += '?' + query;
  }
  return {
    statusCode: found.status,
    statusDescription: found.status === 301 ? 'Moved Permanently' : 'Found',
    headers: {location: {value: location}},
  };
}
