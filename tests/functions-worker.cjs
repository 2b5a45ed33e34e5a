// Plays the Node.js worker of Azure Functions to the deployed file: provides `@azure/functions-core`, loads the
// `main` of package.json from the current folder, and prints what is registered and what each invocation of the
// JSON array on the command line answers.
const Module = require("node:module");
const path = require("node:path");

const functions = new Map();
let programmingModel;
const core = {
  version: "3.12.0",
  hostVersion: "4.1048.0",
  log: () => undefined,
  registerHook: () => undefined,
  setProgrammingModel: (model) => (programmingModel = model),
  registerFunction: (metadata, callback) => functions.set(metadata.name, { metadata, callback }),
};
const load = Module._load;
Module._load = (request, ...rest) => (request === "@azure/functions-core" ? core : load(request, ...rest));

const invoke = async ({ name, method, params = {}, headers = {}, body = "" }, index) => {
  const { metadata, callback } = functions.get(name);
  const [trigger] = Object.entries(metadata.bindings).find(([, { type }]) => type === "httpTrigger");
  const model = programmingModel.getInvocationModel({
    invocationId: `00000000-0000-4000-8000-00000000000${index}`,
    metadata,
    log: () => undefined,
    request: {
      inputData: [
        {
          name: trigger,
          data: {
            http: { method, url: "http://localhost/", params, headers, body: { bytes: Buffer.from(body) } },
          },
        },
      ],
      triggerMetadata: {},
    },
  });
  const { context, inputs } = await model.getArguments();
  const { returnValue } = await model.getResponse(
    context,
    await model.invokeFunction(context, inputs, callback),
  );
  const { statusCode, headers: answered, body: answer } = returnValue.http;
  return { status: Number(statusCode), headers: answered, body: Buffer.from(answer.bytes).toString() };
};

const run = async () => {
  const { main } = require(path.resolve("package.json"));
  require(path.resolve(main));
  const registered = [...functions.values()].map(({ metadata }) => ({
    ...Object.values(metadata.bindings).find(({ type }) => type === "httpTrigger"),
    name: metadata.name,
  }));
  const answers = [];
  for (const [index, invocation] of JSON.parse(process.argv[2]).entries()) {
    answers.push(await invoke(invocation, index));
  }
  console.log(JSON.stringify({ registered, answers, rss: process.memoryUsage().rss }));
  process.exit();
};

run().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
