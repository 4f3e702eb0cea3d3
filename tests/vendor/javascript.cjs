// The vendor's two clients for JavaScript: what they can do, doing it, and draining a queue.
//
// Reads a job as JSON from standard input and writes its outcome as JSON to standard output.

const fs = require("node:fs");
const NodeForm = require("form-data"); // what the older client expects, also of axios

const OWN_HELPERS = /^(constructor|add\w+Param|on[A-Z]\w*|st(art|op)ReceivingNotifications)$/;
const BASE_METHODS = /^(constructor|build\w+|make\w+|validate\w+)$/;

const OPENERS = {
  "@green-api/whatsapp-api-client": (library, { url, id, token }) =>
    library.restAPI({ host: url, media: url, idInstance: id, apiTokenInstance: token }),
  "@green-api/whatsapp-api-client-js-v2": (library, { url, id, token }) => {
    const client = new library.GreenApiClient({ idInstance: Number(id), apiTokenInstance: token });
    client.baseUrl = url; // it knows no other host than the vendor's
    client.client.defaults.baseURL = client.buildUrl();
    return client;
  },
};

globalThis.File ??= require("node:buffer").File; // the newer client counts on it; node has it from 20 on

for (const name of ["log", "info", "debug", "warn", "error"]) console[name] = () => {};

function open(job) {
  const library = require(require.resolve(job.library, { paths: [process.cwd()] }));
  if (job.partner) {
    return new library.GreenApiPartnerClient({ partnerToken: job.partner, partnerApiUrl: job.url });
  }
  return OPENERS[job.library](library, job);
}

function named(object, skipped) {
  return Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((name) => !skipped.test(name));
}

function parametersOf(method) {
  const inner = method.toString().match(/\(([^)]*)\)/)[1];
  return inner.split(",").map((each) => each.split("=")[0].trim()).filter(Boolean);
}

// From the name of each method to the names of its parameters.
function methodsOf(client) {
  const found = {};
  const add = (prefix, object, skipped) => {
    for (const name of named(object, skipped)) found[prefix + name] = parametersOf(object[name]);
  };
  if (client.message) {
    for (const tool of ["message", "file", "instance", "settings", "group", "webhookService"]) {
      add(`${tool}.`, client[tool], OWN_HELPERS);
    }
  } else {
    add("", client, BASE_METHODS);
  }
  return found;
}

// Files stand in the arguments as {"$blob": path} or, for the older client, {"$form": fields}.
function revived(value) {
  if (value === null || typeof value !== "object") return value;
  if (value.$blob) return new Blob([fs.readFileSync(value.$blob)]);
  if (value.$form) {
    const form = new NodeForm();
    for (const [name, field] of Object.entries(value.$form)) {
      form.append(name, name === "file" ? fs.createReadStream(field) : field);
    }
    return form;
  }
  if (Array.isArray(value)) return value.map(revived);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, revived(each)]));
}

async function call(job) {
  const client = open(job);
  const [tool, name] = job.method.includes(".") ? job.method.split(".") : [null, job.method];
  const owner = tool ? client[tool] : client;
  try {
    return { data: (await owner[name](...job.arguments.map(revived))) ?? null };
  } catch (error) {
    return { error: String(error.message) };
  }
}

async function drain(job) {
  const client = open(job);
  const owner = client.webhookService ?? client;
  const bodies = [];
  for (let envelope; (envelope = await owner.receiveNotification()); ) {
    bodies.push(envelope.body);
    await owner.deleteNotification(envelope.receiptId);
  }
  return bodies;
}

const JOBS = { methods: (job) => methodsOf(open(job)), call, drain };

async function main() {
  const jobs = JSON.parse(fs.readFileSync(0, "utf8"));
  const outcomes = [];
  for (const job of jobs) outcomes.push(await JOBS[job.job](job));
  process.stdout.write(JSON.stringify(outcomes));
}

main();
