/**
 * Stands in for the Node.js worker of Azure Functions, which loads the deployed file: `functions-host.ts` starts it and
 * sends it the host's messages. It does what the real worker does, in the same order. Each step names its source, a file
 * in `src/` of azure-functions-nodejs-worker 3.9.1. It leaves out what the deployed file does not use: gRPC, hooks,
 * ECMAScript modules, patterns in `main`, other bindings and the programming model v3.
 */
const { existsSync, readFileSync } = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

// AppContext.ts
const makeApp = () => ({
  programmingModel: undefined,
  functions: new Map(),
  isIndexingLocked: false,
  startError: undefined,
});
let app = makeApp();

const send = (message) => process.send(message);
const log = (entry) => send({ rpcLog: entry });

// setupCoreModule.ts: the one module that only the worker has.
const core = {
  version: "3.9.1",
  hostVersion: "4.1037.0",
  // coreApi/setProgrammingModel.ts
  setProgrammingModel: (model) => {
    app.programmingModel = model;
  },
  log: (level, category, message) => {
    log({ level, category, message });
  },
  // coreApi/registerFunction.ts
  registerFunction: (metadata, callback) => {
    if (app.isIndexingLocked) {
      throw new Error("A function can only be registered during app startup.");
    }
    const id = metadata.functionId ?? metadata.name;
    if (app.functions.has(id)) {
      throw new Error(`A function with id "${id}" has already been registered.`);
    }
    app.functions.set(id, { metadata, callback });
  },
};
const { require: requireModule } = Module.prototype;
Module.prototype.require = function (id) {
  return id === "@azure/functions-core" ? core : requireModule.call(this, id);
};

// loadScriptFile.ts. This function is async, so `then` of the exports is called if they have one.
const loadScriptFile = async (file) => require(file);

// parsers/parsePackageJson.ts: the placeholder has none.
const readPackageJson = (folder) => {
  const file = path.join(folder, "package.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
};

// startApp.ts
const startApp = async (folder) => {
  const { main } = readPackageJson(folder);
  if (main !== undefined) {
    try {
      if (!existsSync(path.join(folder, main))) {
        throw new Error("File does not exist");
      }
      await loadScriptFile(path.join(folder, main));
    } catch (error) {
      // The worker reports this error in its answer to the host's next message, and goes on.
      error.message = `Worker was unable to load entry point "${main}": ${error.message}`;
      app.startError = error;
      console.error(error.stack);
    }
  }
};

const handlers = {
  // eventHandlers/WorkerInitHandler.ts
  workerInitRequest: ({ functionAppDirectory }) => startApp(functionAppDirectory),

  // eventHandlers/FunctionEnvironmentReloadHandler.ts replaces the whole environment before it loads the app.
  functionEnvironmentReloadRequest: async ({ environmentVariables, functionAppDirectory }) => {
    app = makeApp();
    for (const name of Object.keys(process.env)) {
      delete process.env[name];
    }
    Object.assign(process.env, environmentVariables);
    process.chdir(functionAppDirectory);
    await startApp(functionAppDirectory);
  },

  // eventHandlers/FunctionsMetadataHandler.ts
  functionsMetadataRequest: () => {
    app.isIndexingLocked = true;
    if (app.functions.size > 0 && app.startError !== undefined) {
      throw app.startError;
    }
    return [...app.functions].map(([functionId, { metadata }]) => ({
      functionId,
      name: metadata.name,
      bindings: Object.entries(metadata.bindings).map(([name, binding]) => ({ ...binding, name })),
    }));
  },

  // eventHandlers/FunctionLoadHandler.ts
  functionLoadRequest: () => {
    app.isIndexingLocked = true;
    if (app.startError !== undefined) {
      throw app.startError;
    }
  },

  // eventHandlers/InvocationHandler.ts
  invocationRequest: async ({ functionId, invocationId, ...request }) => {
    const { metadata, callback } = app.functions.get(functionId);
    const coreContext = {
      invocationId,
      metadata,
      request: { invocationId, functionId, ...request },
      state: undefined,
      log: (level, category, message) => {
        log({ invocationId, level, category, message });
      },
    };
    const model = await app.programmingModel.getInvocationModel(coreContext);
    const { context, inputs } = await model.getArguments();
    const result = await model.invokeFunction(context, inputs, callback);
    return model.getResponse(context, result);
  },
};

// setupEventStream.ts
process.on("message", async ({ requestId, name, content }) => {
  // eventHandlers/terminateWorker.ts
  if (name === "workerTerminate") {
    process.exit(0);
  }
  try {
    send({ requestId, response: await handlers[name](content) });
  } catch (error) {
    send({ requestId, exception: error instanceof Error ? error.message : String(error) });
  }
});

// Worker.ts. An unhandled rejection arrives here too.
process.on("uncaughtException", (error) => {
  console.error(`Worker uncaught exception: ${error.stack}`);
  process.exit(1);
});
process.on("disconnect", () => process.exit(1));
