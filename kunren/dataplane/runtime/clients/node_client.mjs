// Runs a Node.js function's handler over Lambda's Runtime API. A program of its own: it needs Node.js 14 or later and
// nothing else. It speaks just the HTTP that the Runtime API needs over one kept connection, which holds the event loop
// only while it waits for the next event, so that callbackWaitsForEmptyEventLoop means what it means on AWS.

import { AsyncLocalStorage } from "node:async_hooks";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import util from "node:util";
import { pathToFileURL } from "node:url";

import { handleStreaming, install, isStreaming } from "./node_streaming.mjs";

const PREFIX = "/2018-06-01/runtime/";
// How many invocations this process has at once (managed instances); 0: one.
const WORKERS = Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY || 0);
const requests = new AsyncLocalStorage();
let lastRequest = "";

function currentRequest() {
  return WORKERS ? requests.getStore() || "" : lastRequest;
}

class RuntimeApi {
  constructor(address) {
    const [host, port] = address.split(":");
    this.address = address;
    this.buffer = Buffer.alloc(0);
    this.waiting = null;
    this.socket = net.connect({ host, port: Number(port), noDelay: true });
    this.socket.setNoDelay(true);
    this.socket.on("data", (data) => {
      this.buffer = this.buffer.length ? Buffer.concat([this.buffer, data]) : data;
      this.parse();
    });
    this.socket.on("close", () => process.exit(0));
    this.socket.on("error", () => process.exit(0));
  }

  parse() {
    const end = this.buffer.indexOf("\r\n\r\n");
    if (end < 0 || !this.waiting) return;
    const headers = {};
    for (const line of this.buffer.toString("latin1", 0, end).split("\r\n").slice(1)) {
      const colon = line.indexOf(":");
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const whole = end + 4 + Number(headers["content-length"] || 0);
    if (this.buffer.length < whole) return;
    const body = this.buffer.subarray(end + 4, whole);
    this.buffer = this.buffer.subarray(whole);
    const resolve = this.waiting;
    this.waiting = null;
    this.socket.unref();
    resolve({ headers, body });
  }

  call(method, what, body = "", headers = "") {
    const bytes = Buffer.from(body);
    const head = `${method} ${PREFIX}${what} HTTP/1.1\r\nHost: ${this.address}\r\n${headers}Content-Length: ${bytes.length}\r\n\r\n`;
    this.socket.ref();
    return new Promise((resolve) => {
      this.waiting = resolve;
      this.socket.write(bytes.length ? Buffer.concat([Buffer.from(head), bytes]) : head);
    });
  }

  // A request whose body is still to come, in chunks.
  beginStream(id, type, trailers) {
    this.socket.ref();
    return new Promise((resolve) => {
      this.waiting = resolve;
      this.socket.write(
        `POST ${PREFIX}invocation/${id}/response HTTP/1.1\r\nHost: ${this.address}\r\nContent-Type: ${type}\r\n` +
          `Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\nTrailer: ${trailers}\r\n\r\n`,
      );
    });
  }

  chunk(data, done) {
    if (!data.length) return done && done();
    const parts = [Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from("\r\n")];
    this.socket.write(Buffer.concat(parts), done);
  }

  endStream(trailers) {
    this.socket.write(`0\r\n${trailers}\r\n`);
  }

  next() {
    return this.call("GET", "invocation/next");
  }

  respond(id, text) {
    return this.call("POST", `invocation/${id}/response`, text, "Content-Type: application/json\r\n");
  }

  fail(what, error) {
    const kind = String(error.errorType).replace(/[^\x20-\x7e]/g, "?");
    const headers = `Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: ${kind}\r\n`;
    return this.call("POST", what, JSON.stringify(error), headers);
  }
}

// A line of the function's log: time, request id, level, message; line breaks inside stay one log event.
function logLine(level, message) {
  const text = `${new Date().toISOString()}\t${currentRequest() || "undefined"}\t${level}\t${message}`;
  fs.writeSync(1, text.replace(/\n/g, "\r") + "\n");
}

function patchConsole() {
  const levels = { log: "INFO", info: "INFO", debug: "DEBUG", trace: "TRACE", warn: "WARN", error: "ERROR" };
  for (const [name, level] of Object.entries(levels)) {
    console[name] = (...parts) => logLine(level, util.format(...parts));
  }
  console.fatal = (...parts) => logLine("FATAL", util.format(...parts));
}

function describe(error) {
  if (util.types.isNativeError(error) || error instanceof Error) {
    const trace = String(error.stack || "").split("\n");
    return { errorType: error.name || "Error", errorMessage: error.message, trace };
  }
  return { errorType: typeof error, errorMessage: util.format(error), trace: [] };
}

class LoadFailure extends Error {
  constructor(kind, message) {
    super(message);
    this.name = kind;
  }
}

// The file that a handler's module part names; AWS's order: as it is, then .js, .mjs, .cjs.
function resolveModule(root, module) {
  const base = path.resolve(root, module);
  for (const extension of ["", ".js", ".mjs", ".cjs"]) {
    const file = base + extension;
    if (fs.existsSync(file) && fs.statSync(file).isFile()) return file;
  }
  throw new LoadFailure("Runtime.ImportModuleError", `Error: Cannot find module '${module}'`);
}

async function load(root, handler) {
  if (handler.includes("..")) {
    throw new LoadFailure("Runtime.MalformedHandlerName", `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const parts = path.basename(handler).match(/^([^.]*)\.(.*)$/);
  if (!parts) throw new LoadFailure("Runtime.MalformedHandlerName", "Bad handler");
  const module = path.join(path.dirname(handler), parts[1]);
  const file = resolveModule(root, module);
  let loaded;
  try {
    loaded = await import(pathToFileURL(file).href);
  } catch (error) {
    if (error instanceof SyntaxError) throw new LoadFailure("Runtime.UserCodeSyntaxError", `SyntaxError: ${error.message}`);
    if (error && /MODULE_NOT_FOUND/.test(error.code || "")) {
      throw new LoadFailure("Runtime.ImportModuleError", `Error: ${error.message}`);
    }
    throw error;
  }
  const walk = (from) => parts[2].split(".").reduce((at, name) => (at == null ? undefined : at[name]), from);
  const found = walk(loaded) ?? walk(loaded.default);
  if (found === undefined) throw new LoadFailure("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  if (typeof found !== "function") throw new LoadFailure("Runtime.HandlerNotFound", `${handler} is not a function`);
  return found;
}

function makeContext(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const told = headers["lambda-runtime-client-context"];
  return {
    callbackWaitsForEmptyEventLoop: !WORKERS,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    clientContext: told ? JSON.parse(told) : undefined,
    identity: undefined,
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
  };
}

// The handler's value, whichever of the three ways it uses: a promise, the callback, or context.done and its friends.
function run(handler, event, context) {
  return new Promise((resolve, reject) => {
    let settled = false;
    let drained = null;
    const finish = (settle) => {
      if (settled) return;
      settled = true;
      process.removeListener("beforeExit", empty);
      settle();
    };
    const empty = () => finish(() => (drained ? drained() : resolve(null)));
    const done = (error, value) => {
      if (drained || settled) return;
      drained = () => (error === null || error === undefined ? resolve(value) : reject(error));
      if (!context.callbackWaitsForEmptyEventLoop) finish(drained);
    };
    context.done = done;
    context.succeed = (value) => done(null, value);
    context.fail = (error) => done(error === undefined ? null : error);
    process.on("beforeExit", empty);
    let answer;
    try {
      answer = handler(event, context, done);
    } catch (error) {
      finish(() => reject(error));
      return;
    }
    if (answer !== null && typeof answer === "object" && typeof answer.then === "function") {
      answer.then(
        (value) => finish(() => resolve(value)),
        (error) => finish(() => reject(error)),
      );
    }
  });
}

async function handle(api, handler, { headers, body }) {
  const context = makeContext(headers);
  const id = (lastRequest = context.awsRequestId);
  if (headers["lambda-runtime-trace-id"]) process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
  let text;
  try {
    const event = body.length ? JSON.parse(body.toString()) : {};
    if (isStreaming(handler)) {
      const broken = await handleStreaming(api, id, handler, event, context, describe);
      if (broken) logLine("ERROR", `Invoke Error \t${JSON.stringify(describe(broken))}`);
      return;
    }
    const value = await run(handler, event, context);
    text = JSON.stringify(value === undefined ? null : value);
    if (text === undefined) text = "null";
  } catch (error) {
    const report = describe(error);
    logLine("ERROR", `Invoke Error \t${JSON.stringify({ ...report, trace: undefined, stack: report.trace })}`);
    await api.fail(`invocation/${id}/error`, report);
    return;
  }
  await api.respond(id, text);
}

async function main() {
  const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  patchConsole();
  install();
  const fatal = (kind, code) => (error) => {
    const report = { ...describe(error), ...(kind ? { errorType: kind, errorMessage: String(error) } : {}) };
    logLine("ERROR", `${kind ? "Unhandled Promise Rejection" : "Uncaught Exception"} \t${JSON.stringify(report)}`);
    api.waiting = null;
    const request = currentRequest();
    const what = request ? `invocation/${request}/error` : "init/error";
    api.fail(what, report).then(() => process.exit(code));
  };
  process.on("unhandledRejection", fatal("Runtime.UnhandledPromiseRejection", 128));
  process.on("uncaughtException", fatal("", 129));
  let handler;
  try {
    handler = await load(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    const report = describe(error);
    logLine("ERROR", `Uncaught Exception \t${JSON.stringify(report)}`);
    await api.fail("init/error", report);
    process.exit(1);
  }
  const work = async (connection) => {
    for (;;) {
      const event = await connection.next();
      await requests.run(event.headers["lambda-runtime-aws-request-id"], () => handle(connection, handler, event));
    }
  };
  work(api);
  for (let more = 1; more < WORKERS; more++) work(new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API));
}

main();
