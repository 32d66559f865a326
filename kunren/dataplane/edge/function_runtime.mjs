// What a CloudFront Function finds around itself (Developer Guide, "JavaScript runtime 2.0 features for CloudFront
// Functions"): console, Buffer, and the modules buffer, crypto, querystring and cloudfront. Read by scripts.py, which
// calls __run, __asked, __answer, __chosen and __logged. Evaluated once for each function, before its code.
'use strict';
globalThis.__logs = [];
globalThis.console = {
  log: (...given) => { __logs.push(given.map((each) =>
    typeof each === 'object' ? JSON.stringify(each) : String(each)).join(' ')); },
};
console.error = console.warn = console.info = console.log;
globalThis.__modules = {
  querystring: {
    parse: (text) => Object.fromEntries(String(text).split('&').filter(Boolean).map((each) => {
      const [key, ...rest] = each.split('=');
      return [decodeURIComponent(key), decodeURIComponent(rest.join('='))];
    })),
    stringify: (given) => Object.entries(given).map(([key, value]) =>
      encodeURIComponent(key) + '=' + encodeURIComponent(value)).join('&'),
    escape: encodeURIComponent, unescape: decodeURIComponent,
  },
};
globalThis.require = (name) => {
  if (!(name in __modules)) throw new Error("Cannot find module '" + name + "'");
  return __modules[name];
};

// --- Buffer

{
  const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const values = new Map([...BASE64].map((each, at) => [each, at]));
  values.set('-', 62).set('_', 63);

  const fromUtf8 = (text) => {
    const out = [];
    for (const each of text) {
      const code = each.codePointAt(0);
      const point = code >= 0xd800 && code < 0xe000 ? 0xfffd : code; // half of a pair
      if (point < 0x80) out.push(point);
      else if (point < 0x800) out.push(0xc0 | point >> 6, 0x80 | point & 63);
      else if (point < 0x10000) out.push(0xe0 | point >> 12, 0x80 | point >> 6 & 63, 0x80 | point & 63);
      else out.push(0xf0 | point >> 18, 0x80 | point >> 12 & 63, 0x80 | point >> 6 & 63, 0x80 | point & 63);
    }
    return out;
  };
  const toUtf8 = (bytes) => {
    let out = '';
    for (let at = 0; at < bytes.length;) {
      const first = bytes[at];
      const size = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3
        : first >= 0xf0 && first < 0xf5 ? 4 : 0;
      let point = size > 1 ? first & 0xff >> size + 1 : first;
      let seen = 1;
      while (seen < size && (bytes[at + seen] & 0xc0) === 0x80) point = point << 6 | bytes[at + seen++] & 63;
      const least = [0, 0, 0x80, 0x800, 0x10000][size];
      const good = size > 0 && seen === size && point >= least && point < 0x110000
        && !(point >= 0xd800 && point < 0xe000);
      out += good ? String.fromCodePoint(point) : '\ufffd';
      at += good ? size : 1;
    }
    return out;
  };
  const fromBase64 = (text) => {
    const out = [];
    let bits = 0, count = 0;
    for (const each of text) {
      const value = values.get(each);
      if (value === undefined) { if (each === '=') break; continue; }
      bits = (bits << 6 | value) & 0xffffff;
      count += 6;
      if (count >= 8) out.push(bits >> (count -= 8) & 255);
    }
    return out;
  };
  const toBase64 = (bytes) => {
    let out = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const bits = bytes[at] << 16 | (bytes[at + 1] ?? 0) << 8 | (bytes[at + 2] ?? 0);
      out += BASE64[bits >> 18] + BASE64[bits >> 12 & 63]
        + (at + 1 < bytes.length ? BASE64[bits >> 6 & 63] : '=') + (at + 2 < bytes.length ? BASE64[bits & 63] : '=');
    }
    return out;
  };
  const fromHex = (text) => {
    const pairs = /^(?:[0-9a-f]{2})*/i.exec(text)[0];
    return Array.from({length: pairs.length / 2}, (_, at) => parseInt(pairs.slice(2 * at, 2 * at + 2), 16));
  };
  const encodings = {
    utf8: [fromUtf8, toUtf8],
    hex: [fromHex, (bytes) => Array.from(bytes, (each) => each.toString(16).padStart(2, '0')).join('')],
    base64: [fromBase64, toBase64],
    base64url: [fromBase64, (bytes) => toBase64(bytes).replace(/[+/=]/g, (each) => ({'+': '-', '/': '_'}[each] ?? ''))],
  };
  encodings['utf-8'] = encodings.utf8;
  const encoding = (name = 'utf8') => {
    const found = encodings[String(name).toLowerCase()];
    if (!found) throw new TypeError('"' + name + '" encoding is not supported');
    return found;
  };

  class Buffer extends Uint8Array {
    static from(given, second, third) {
      if (typeof given === 'string') return new Buffer(encoding(second)[0](given));
      if (given instanceof ArrayBuffer) return new Buffer(given, second, third);
      if (given?.type === 'Buffer' && Array.isArray(given.data)) return new Buffer(given.data);
      return new Buffer(Array.from(given, (each) => each & 255));
    }
    static alloc(size, fill, name) {
      const made = new Buffer(size);
      return fill === undefined ? made : made.fill(fill, 0, size, name);
    }
    static allocUnsafe(size) { return new Buffer(size); }
    static byteLength(given, name) {
      return typeof given === 'string' ? encoding(name)[0](given).length : given.byteLength;
    }
    static compare(one, other) { return one.compare(other); }
    static concat(list, total = list.reduce((sum, each) => sum + each.length, 0)) {
      const made = new Buffer(total);
      let at = 0;
      for (const each of list) {
        if (at >= total) break;
        made.set(each.subarray(0, total - at), at);
        at += each.length;
      }
      return made;
    }
    static isBuffer(given) { return given instanceof Buffer; }
    static isEncoding(name) { return String(name).toLowerCase() in encodings; }

    compare(other) {
      for (let at = 0; at < Math.min(this.length, other.length); at++) {
        if (this[at] !== other[at]) return this[at] < other[at] ? -1 : 1;
      }
      return Math.sign(this.length - other.length);
    }
    copy(target, at = 0, start = 0, end = this.length) {
      const part = this.subarray(start, Math.min(end, start + target.length - at));
      target.set(part, at);
      return part.length;
    }
    equals(other) { return this.compare(other) === 0; }
    fill(given, start = 0, end = this.length, name = 'utf8') {
      if (typeof given === 'number') return super.fill(given & 255, start, end);
      const bytes = typeof given === 'string' ? encoding(name)[0](given) : given;
      for (let at = start; at < end; at++) this[at] = bytes.length ? bytes[(at - start) % bytes.length] : 0;
      return this;
    }
    indexOf(given, from = 0, name = 'utf8') {
      if (typeof given === 'number') return super.indexOf(given & 255, from);
      const wanted = Buffer.from(given, name);
      for (let at = from; at + wanted.length <= this.length; at++) {
        if (wanted.every((each, offset) => this[at + offset] === each)) return at;
      }
      return -1;
    }
    includes(given, from, name) { return this.indexOf(given, from, name) !== -1; }
    slice(start, end) { return this.subarray(start, end); }
    toJSON() { return {type: 'Buffer', data: Array.from(this)}; }
    toString(name, start = 0, end = this.length) { return encoding(name)[1](this.subarray(start, end)); }
    write(text, at = 0, size = this.length - at, name = 'utf8') {
      const bytes = encoding(name)[0](text).slice(0, Math.min(size, this.length - at));
      this.set(bytes, at);
      return bytes.length;
    }
  }
  const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kinds = [['Int8', 'Int8', 1], ['UInt8', 'Uint8', 1], ['Int16', 'Int16', 2], ['UInt16', 'Uint16', 2],
    ['Int32', 'Int32', 4], ['UInt32', 'Uint32', 4], ['Float', 'Float32', 4], ['Double', 'Float64', 8]];
  for (const [name, kind, size] of kinds) {
    for (const order of size > 1 ? ['LE', 'BE'] : ['']) {
      Buffer.prototype['read' + name + order] = function (at = 0) { return view(this)['get' + kind](at, order === 'LE'); };
      Buffer.prototype['write' + name + order] = function (value, at = 0) {
        view(this)['set' + kind](at, value, order === 'LE');
        return at + size;
      };
    }
  }
  globalThis.Buffer = Buffer;
  __modules.buffer = {Buffer};
  // runtime 1.0 has strings of bytes instead
  String.bytesFrom = (given, name) =>
    String.fromCharCode(...(typeof given === 'string' ? encoding(name)[0](given) : given));
}

// --- crypto

{
  const {Buffer} = __modules.buffer;
  const rotated = (word, by) => word >>> by | word << 32 - by;
  const blocks = (bytes, little) => {
    const size = (bytes.length + 8 >> 6) + 1;
    const padded = new DataView(new ArrayBuffer(size * 64));
    bytes.forEach((each, at) => padded.setUint8(at, each));
    padded.setUint8(bytes.length, 0x80);
    const low = bytes.length << 3 >>> 0, high = Math.floor(bytes.length / 0x20000000);
    padded.setUint32(size * 64 - 8, little ? low : high, little);
    padded.setUint32(size * 64 - 4, little ? high : low, little);
    return Array.from({length: size}, (_, block) =>
      Array.from({length: 16}, (_, word) => padded.getUint32(block * 64 + word * 4, little)));
  };
  const joined = (state, little) => {
    const out = new DataView(new ArrayBuffer(state.length * 4));
    state.forEach((word, at) => out.setUint32(at * 4, word >>> 0, little));
    return new Uint8Array(out.buffer);
  };
  // the first bits of the fractions of roots of primes (FIPS 180-4)
  const primes = [];
  for (let each = 2; primes.length < 64; each++) if (primes.every((prime) => each % prime)) primes.push(each);
  const fraction = (root) => (root - Math.floor(root)) * 0x100000000 | 0;
  const K256 = primes.map((prime) => fraction(Math.cbrt(prime)));
  const H256 = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const K5 = Array.from({length: 64}, (_, at) => Math.abs(Math.sin(at + 1)) * 0x100000000 | 0);
  const STEPS = [1, 5, 3, 7], STARTS = [0, 1, 5, 0];
  const TURNS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

  const sha256 = (bytes) => { // rotations in place: a call costs more than what it does
    const state = [...H256];
    for (const words of blocks(bytes, false)) {
      for (let at = 16; at < 64; at++) {
        const early = words[at - 15], late = words[at - 2];
        words[at] = words[at - 16] + words[at - 7]
          + ((early >>> 7 | early << 25) ^ (early >>> 18 | early << 14) ^ early >>> 3)
          + ((late >>> 17 | late << 15) ^ (late >>> 19 | late << 13) ^ late >>> 10) | 0;
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let at = 0; at < 64; at++) {
        const one = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g)
          + K256[at] + words[at] | 0;
        const two = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
        h = g; g = f; f = e; e = d + one | 0; d = c; c = b; b = a; a = one + two | 0;
      }
      [a, b, c, d, e, f, g, h].forEach((word, at) => { state[at] = state[at] + word | 0; });
    }
    return joined(state, false);
  };
  const sha1 = (bytes) => {
    const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
    for (const words of blocks(bytes, false)) {
      for (let at = 16; at < 80; at++) {
        words.push(rotated(words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16], 31));
      }
      let [a, b, c, d, e] = state;
      for (let at = 0; at < 80; at++) {
        const mixed = at < 20 ? (b & c | ~b & d) + 0x5a827999 : at < 40 ? (b ^ c ^ d) + 0x6ed9eba1
          : at < 60 ? (b & c | b & d | c & d) + 0x8f1bbcdc : (b ^ c ^ d) + 0xca62c1d6;
        const next = rotated(a, 27) + mixed + e + words[at] | 0;
        e = d; d = c; c = rotated(b, 2); b = a; a = next;
      }
      [a, b, c, d, e].forEach((word, at) => { state[at] = state[at] + word | 0; });
    }
    return joined(state, false);
  };
  const md5 = (bytes) => {
    const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
    for (const words of blocks(bytes, true)) {
      let [a, b, c, d] = state;
      for (let at = 0; at < 64; at++) {
        const round = at >> 4;
        const mixed = round === 0 ? b & c | ~b & d : round === 1 ? d & b | ~d & c
          : round === 2 ? b ^ c ^ d : c ^ (b | ~d);
        const word = words[(STEPS[round] * at + STARTS[round]) % 16];
        const turned = rotated(a + mixed + K5[at] + word | 0, 32 - TURNS[round][at % 4]);
        a = d; d = c; c = b; b = b + turned | 0;
      }
      [a, b, c, d].forEach((word, at) => { state[at] = state[at] + word | 0; });
    }
    return joined(state, true);
  };
  const hashes = {md5, sha1, sha256};
  const chosen = (name) => {
    if (!Object.hasOwn(hashes, name)) throw new TypeError('not supported algorithm: "' + name + '"');
    return hashes[name];
  };
  class Digest {
    #parts = [];
    #finish;
    #done = false;
    constructor(finish) { this.#finish = finish; }
    update(given, name) {
      if (this.#done) throw new Error('Digest already called');
      this.#parts.push(Buffer.from(given, name));
      return this;
    }
    digest(name) {
      if (this.#done) throw new Error('Digest already called');
      this.#done = true;
      const made = Buffer.from(this.#finish(Buffer.concat(this.#parts)));
      return name === undefined ? __digest(made) : made.toString(name);
    }
  }
  globalThis.__digest = (made) => made;
  __modules.crypto = {
    createHash: (name) => new Digest(chosen(name)),
    createHmac: (name, key) => {
      const hash = chosen(name);
      let own = Buffer.from(key);
      if (own.length > 64) own = Buffer.from(hash(own));
      const padded = (by) => Uint8Array.from({length: 64}, (_, at) => (own[at] ?? 0) ^ by);
      return new Digest((bytes) => hash(Buffer.concat([padded(0x5c), hash(Buffer.concat([padded(0x36), bytes]))])));
    },
  };
}

// --- cloudfront: the choice of an origin, and questions to key value stores until the host has answered them

{
  const {Buffer} = __modules.buffer;
  const open = [];
  const ask = (...what) => new Promise((resolve, reject) => open.push({what, resolve, reject}));
  const formats = {string: (text) => text, json: JSON.parse, bytes: (text) => Buffer.from(text)};
  let choice;
  __modules.cloudfront = {
    updateRequestOrigin: (update) => { choice = {update}; },
    selectRequestOriginById: (select, options) => { choice = {select, update: options?.originOverrides}; },
    createRequestOriginGroup: (group) => { choice = {group}; },
    kvs: (id = '') => ({
      get: async (key, options) => {
        const format = formats[options?.format ?? 'string'];
        if (!format) throw new Error('Unknown format ' + options.format);
        return format(await ask(id, 'get', key));
      },
      exists: (key) => ask(id, 'exists', key),
      count: () => ask(id, 'count', ''),
      meta: () => ask(id, 'meta', ''),
    }),
  };
  globalThis.__chosen = () => {
    const made = choice;
    choice = undefined;
    return made && JSON.stringify(made);
  };
  globalThis.__asked = () => JSON.stringify(open.map((each) => each.what));
  globalThis.__answer = (text) => {
    const given = open.splice(0);
    JSON.parse(text).forEach((each, at) =>
      'error' in each ? given[at].reject(new Error(each.error)) : given[at].resolve(each.value));
  };
}

// --- what the host calls

globalThis.__older = () => { // runtime 1.0 has no buffers and no stores
  __digest = (made) => String.fromCharCode(...made);
  delete globalThis.Buffer;
  delete __modules.buffer;
  delete __modules.cloudfront;
};
globalThis.__newer = () => { delete String.bytesFrom; };
globalThis.__logged = () => __logs.join('\u0000');
globalThis.__run = (text) => {
  __logs.length = 0;
  globalThis.__output = undefined;
  globalThis.__failure = undefined;
  const made = handler(JSON.parse(text));
  if (!made || typeof made.then !== 'function') return JSON.stringify(made);
  made.then((value) => { __output = JSON.stringify(value); }, (error) => { __failure = String(error); });
  return null;
};
