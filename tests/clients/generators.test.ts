/** The clients that Kiota and NSwag generate from `openapi.yaml`: docs/decisions/0023-generated-clients.md. */
import { execFile, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import path from "node:path";
import * as t from "io-ts";
import { parseJson } from "../../shared/json";
import { nameOf } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startProgram } from "../../tools/support/processes";
import { startService, type Service } from "../../tools/support/service";
import { makeInAdvance } from "../support/in-advance";
import { compile, patience, stopCompiling } from "./compile";

/** What a shop calls, and the class of which each client makes the answer. */
const table: readonly (readonly [kind: string, code: string, others?: Partial<Call>])[] = [
  ["ValidOtp", "TESTLIVE000"],
  ["ValidOtp", "TESTLIVE000", { use: true, idempotencyKey: "cart-1" }],
  // NSwag's client in TypeScript sends an empty Idempotency-Key where none is given.
  ["ValidOtp", "TESTLIVE000", { use: true }],
  ["ValidationRequestProblem", "TESTLIVE000", { use: true, idempotencyKey: "x".repeat(256) }],
  ["ValidationRequestProblem", "short"],
  ["UnauthorizedProblem", "TESTLIVE000", { apiKey: "cgn_nobody" }],
  ["RefusedOtpProblem", "AAAAAAAAAAA"],
  ["RefusedOtpProblem", "TESTEXPIRED"],
  ["RefusedOtpProblem", "TESTRACE000", { use: true, idempotencyKey: "cart-2" }],
  ["OtpConflictProblem", "TESTNEWER00"],
  ["ServiceUnavailableProblem", "TESTDOWN000"],
];

interface Call {
  readonly apiKey: string;
  readonly code: string;
  readonly use: boolean;
  readonly idempotencyKey?: string;
}

/** What a client made of an answer: its status, class, and the text of a property. */
const Told = t.type({
  status: t.number,
  kind: t.string,
  type: t.union([t.string, t.null]),
  text: t.string,
});

const Answer = t.partial({ type: t.string, detail: t.string, discount_id: t.string });

/** Both programs in TypeScript: they differ in the client that they are made of. */
const shop = (client: string): string => `
${client}
interface Call { apiKey: string; code: string; use: boolean; idempotencyKey?: string }
interface Told { status: number; kind: string; type: string | null; text: string | null | undefined }
const run = async (): Promise<void> => {
  for (const call of JSON.parse(process.argv[3] ?? "") as Call[]) {
    console.log(JSON.stringify(await validate(process.argv[2] ?? "", call)));
  }
};
void run();
`;

const kiotaShop = shop(`
import { AnonymousAuthenticationProvider } from "@microsoft/kiota-abstractions";
import { DefaultRequestAdapter } from "@microsoft/kiota-bundle";
import { createCgnOtpClient } from "./kiota/cgnOtpClient.js";
import type {
  OtpConflictProblem, RefusedOtpProblem, ServiceUnavailableProblem, UnauthorizedProblem, ValidationRequestProblem,
} from "./kiota/models/index.js";

interface Problems {
  400: ValidationRequestProblem; 401: UnauthorizedProblem; 404: RefusedOtpProblem; 409: OtpConflictProblem;
  503: ServiceUnavailableProblem;
}
const kinds: Record<keyof Problems, string> = {
  400: "ValidationRequestProblem", 401: "UnauthorizedProblem", 404: "RefusedOtpProblem", 409: "OtpConflictProblem",
  503: "ServiceUnavailableProblem",
};

const validate = async (baseUrl: string, call: Call): Promise<Told> => {
  const adapter = new DefaultRequestAdapter(new AnonymousAuthenticationProvider());
  adapter.baseUrl = baseUrl;
  try {
    const valid = await createCgnOtpClient(adapter).merchant.cgn.otp.validate.post(
      { otpCode: call.code, invalidateOtp: call.use },
      { headers: {
        "Ocp-Apim-Subscription-Key": call.apiKey,
        ...(call.idempotencyKey === undefined ? {} : { "Idempotency-Key": call.idempotencyKey }),
      } },
    );
    return { status: 200, kind: "ValidOtp", type: null, text: valid?.discountId };
  } catch (error) {
    const problem = error as Problems[keyof Problems];
    const status = problem.responseStatusCode as keyof Problems;
    return { status, kind: kinds[status], type: problem.type ?? null, text: problem.detail };
  }
};
`);

const nswagShop = shop(`
import {
  CgnOtpClient, OtpConflictProblem, RefusedOtpProblem, ServiceUnavailableProblem, UnauthorizedProblem, ValidateOtpRequest,
  ValidationRequestProblem,
} from "./nswag";

const validate = async (baseUrl: string, call: Call): Promise<Told> => {
  const client = new CgnOtpClient(baseUrl, {
    fetch: (url, init) =>
      fetch(url, { ...init, headers: { ...init?.headers, "Ocp-Apim-Subscription-Key": call.apiKey } }),
  });
  const body = new ValidateOtpRequest({ otp_code: call.code, invalidate_otp: call.use });
  try {
    const valid = await client.validateOtp(call.idempotencyKey, undefined, body);
    return { status: 200, kind: "ValidOtp", type: null, text: valid.discount_id };
  } catch (problem) {
    for (const [kind, problemClass] of Object.entries({
      ValidationRequestProblem, UnauthorizedProblem, RefusedOtpProblem, OtpConflictProblem, ServiceUnavailableProblem,
    })) {
      if (problem instanceof problemClass) {
        return { status: problem.status, kind, type: problem.type, text: problem.detail };
      }
    }
    throw problem;
  }
};
`);

const csharp = "tests/clients/csharp";
const folder = "build/clients";
const options = {
  cwd: csharp,
  env: {
    ...process.env,
    DOTNET_CLI_TELEMETRY_OPTOUT: "1",
    DOTNET_NOLOGO: "1",
    // It would ask for a newer version.
    KIOTA_OFFLINE_ENABLED: "true",
  },
};

/** Runs `dotnet` where the list of its tools is, without blocking the service, which runs in this process. */
const runDotnet = (...args: string[]): Promise<{ readonly isWell: boolean; readonly output: string }> =>
  new Promise((resolve) => {
    execFile("dotnet", args, options, (error, stdout, stderr) => {
      resolve({ isWell: error === null, output: stdout + stderr });
    });
  });

/** A path as it is written in the folder where `dotnet` runs. */
const seen = (file: string): string => path.relative(csharp, file);

/** Generators and the compiler end well after they skipped what they do not understand, but say so. */
const runQuietly = async (...args: string[]): Promise<void> => {
  const { isWell, output } = await runDotnet(...args);
  const complaints = output
    .split("\n")
    .filter((line) => /\b(?:warn(?:ing)?|fail|error)\b(?!\(s\))/i.test(line))
    .filter((line) => !line.includes("language is in preview"));
  expect({ isWell, complaints }).toEqual({ isWell: true, complaints: [] });
};

const kiota = (...args: string[]): Promise<void> =>
  runQuietly(
    ...["kiota", "generate", "--openapi", seen("openapi.yaml"), "--class-name", "CgnOtpClient"],
    ...["--exclude-backward-compatible", ...args],
  );

const nswag = (command: string, ...args: string[]): Promise<void> =>
  runQuietly("nswag", command, `/input:${seen("openapi.yaml")}`, "/className:CgnOtpClient", ...args);

const hasTools = spawnSync("dotnet", ["tool", "restore"], options).status === 0;
if (!hasTools) {
  console.warn("SKIPPED: no .NET SDK can restore Kiota and NSwag, and their clients are not tried");
}
const describeWithTools = hasTools ? describe : describe.skip;

describeWithTools("the client that a generator makes of openapi.yaml", () => {
  let service: Service;
  let calls: readonly Call[];
  let expected: readonly t.TypeOf<typeof Told>[];
  beforeAll(async () => {
    service = await startService(patience);
    const testApiKey = await service.newApiKey(undefined, "test");
    calls = table.map(([, code, others]) => ({ apiKey: testApiKey, use: false, code, ...others }));
    expected = await Promise.all(
      calls.map(async ({ apiKey, code, use, idempotencyKey }, index) => {
        const reply = await service.validate(
          apiKey,
          { otp_code: code, invalidate_otp: use },
          {
            "Accept-Language": "",
            ...(idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey }),
          },
        );
        const { type = null, detail, discount_id } = decode(Answer, reply.json);
        const text = detail ?? discount_id ?? "";
        return { status: reply.status, kind: table[index]?.[0] ?? "", type, text };
      }),
    );
  });
  afterAll(async () => {
    await stopCompiling();
    rmSync(folder, { recursive: true, force: true });
    await service.stop();
  });

  const { itInAdvance } = makeInAdvance(2);
  const baseUrl = (): string => `${service.baseUrl}/api/v1`;
  const toldIn = (output: string): readonly unknown[] =>
    output
      .trim()
      .split("\n")
      .map((line) => decode(Told, parseJson(line)));

  it("is tried with every status of ValidateOtp that a shop can bring about", () => {
    const outcomes = expected.map(({ status, type }) =>
      `${status} ${type === null ? "" : nameOf(type)}`.trim(),
    );
    expect([...new Set(outcomes)]).toEqual([
      ...["200", "400 invalid-request", "400 otp-invalid", "401 unauthorized", "404 otp-not-found"],
      ...["404 otp-expired", "404 otp-already-used", "409 otp-conflict", "503 service-unavailable"],
    ]);
  });

  itInAdvance("gives shops in C# each answer as an object of its class: Kiota and NSwag", async () => {
    const generated = seen(path.join(folder, "csharp/generated"));
    await kiota("--language", "CSharp", "--namespace-name", "Cgn.Kiota", "--output", `${generated}/kiota`);
    await nswag(
      ...["openapi2csclient", "/namespace:Cgn.Nswag", "/generateOptionalParameters:true"],
      `/output:${generated}/Nswag.cs`,
    );
    // Nothing that it starts outlives it.
    await runQuietly("build", "--verbosity", "quiet", "-nodeReuse:false", "-p:UseSharedCompilation=false");
    const program = seen(path.join(folder, "csharp/bin/clients.dll"));
    const made = ["kiota", "nswag"].map(async (client) => {
      const { isWell, output } = await runDotnet(program, client, baseUrl(), JSON.stringify(calls));
      return [client, isWell ? toldIn(output) : output];
    });
    expect(await Promise.all(made)).toEqual([
      ["kiota", expected],
      ["nswag", expected],
    ]);
  });

  const shops = {
    Kiota: {
      source: kiotaShop,
      generate: (output: string) => kiota("--language", "TypeScript", "--output", `${output}/kiota`),
    },
    NSwag: {
      source: nswagShop,
      generate: (output: string) =>
        nswag("openapi2tsclient", "/template:Fetch", `/output:${output}/nswag.ts`),
    },
  };
  for (const [name, { source, generate }] of Object.entries(shops)) {
    itInAdvance(`gives a shop in TypeScript each answer as an object of its type: ${name}`, async () => {
      const own = path.join(folder, name);
      await generate(seen(own));
      const program = startProgram([await compile(own, source), baseUrl(), JSON.stringify(calls)], {});
      expect([await program.ended, program.errors()]).toEqual([0, ""]);
      expect(toldIn(program.output())).toEqual(expected);
    });
  }
});
