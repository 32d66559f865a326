// `awslambda` for Node.js functions: handlers that write their answer piece by piece. The pieces go out as one chunked
// request (Runtime API, "Lambda-Runtime-Function-Response-Mode: streaming"); an error after the first piece goes into
// its trailers.

import { Writable } from "node:stream";

const STREAMING = Symbol("kunren.streaming");
const INTEGRATION = "application/vnd.awslambda.http-integration-response";
const TRAILERS = "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body";

export function install() {
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = true;
      handler.options = options;
      return handler;
    },
    HttpResponseStream: {
      from(stream, prelude) {
        stream.setContentType(INTEGRATION);
        stream.prelude = Buffer.from(JSON.stringify(prelude) + "\0".repeat(8));
        return stream;
      },
    },
  };
}

export function isStreaming(handler) {
  return handler[STREAMING] === true;
}

class ResponseStream extends Writable {
  constructor(api, id) {
    super({ highWaterMark: 64 * 1024 });
    this.api = api;
    this.id = id;
    this.contentType = "application/octet-stream";
    this.prelude = null;
    this.begun = false;
  }

  setContentType(type) {
    if (this.begun) throw new Error("The content type can be set before the first write only.");
    this.contentType = type;
  }

  begin() {
    if (this.begun) return;
    this.begun = true;
    this.answered = this.api.beginStream(this.id, this.contentType, TRAILERS);
    if (this.prelude) this.api.chunk(this.prelude);
  }

  _write(data, encoding, done) {
    this.begin();
    this.api.chunk(Buffer.isBuffer(data) ? data : Buffer.from(data, encoding), done);
  }

  _final(done) {
    this.begin();
    this.api.endStream("");
    done();
  }

  // The same end, with an error in the trailers.
  async breakOff(report) {
    this.destroy();
    const body = Buffer.from(JSON.stringify(report)).toString("base64");
    this.api.endStream(
      `Lambda-Runtime-Function-Error-Type: ${report.errorType}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n`,
    );
    await this.answered;
  }
}

// Runs a streaming handler; throws what it throws before it has written anything.
export async function handleStreaming(api, id, handler, event, context, describe) {
  const stream = new ResponseStream(api, id);
  const ended = new Promise((resolve, reject) => stream.on("finish", resolve).on("error", reject));
  ended.catch(() => {});
  try {
    await handler(event, stream, context);
    await ended;
    await stream.answered;
  } catch (error) {
    if (!stream.begun) throw error;
    await stream.breakOff(describe(error));
    return error;
  }
  return null;
}
