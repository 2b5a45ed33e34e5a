/** The shells into which a person pastes what `npm start` prints. */

export const shells = ["posix", "powershell", "cmd"] as const;
export type Shell = (typeof shells)[number];

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * PowerShell puts the user's folder of modules into `PSModulePath`, for what it starts. On Windows every process has that
 * variable, with the folders of the system.
 */
const isOfUser = (folder: string): boolean =>
  /\\(Windows)?PowerShell\\Modules\\?$/i.test(folder) && !/^[a-z]:\\(Program Files|Windows)\\/i.test(folder);

/** The shell that started npm, as far as its environment shows: npm itself starts the program from `sh` or `cmd`. */
export const guessShell = (platform: string, { PSModulePath = "", SHELL, MSYSTEM }: Environment): Shell => {
  if (platform !== "win32") {
    return PSModulePath === "" ? "posix" : "powershell";
  }
  // Git Bash.
  if (SHELL !== undefined && MSYSTEM !== undefined) {
    return "posix";
  }
  return PSModulePath.split(";").some(isOfUser) ? "powershell" : "cmd";
};

/** The calls of the demo, and what they need. */
export interface Demo {
  readonly baseUrl: string;
  readonly merchantId: string;
  readonly discountId: string;
  readonly fiscalCode: string;
  /** Undefined in a store that the settings name: there the first line makes it. */
  readonly apiKey: string | undefined;
  readonly testApiKey: string | undefined;
}

export interface DemoLines {
  /** Generate an OTP, use it, and find it used. Without a key, the first makes one. */
  readonly commands: readonly string[];
  /** Says where the service is, and the test key: what the guides' commands and programs read. */
  readonly testSettings: string;
}

const keyUrl = ({ baseUrl, merchantId }: Demo, keyType: string): string =>
  `${baseUrl}/api/v1/cgn/merchants/${merchantId}/api-keys/${keyType}`;
const generateUrl = ({ baseUrl }: Demo): string => `${baseUrl}/api/v1/cgn/otp`;
const validateUrl = ({ baseUrl }: Demo): string => `${baseUrl}/api/v1/merchant/cgn/otp/validate`;
const otpInput = ({ fiscalCode, merchantId, discountId }: Demo): Readonly<Record<string, string>> => ({
  fiscal_code: fiscalCode,
  merchant_id: merchantId,
  discount_id: discountId,
});

const toPosix = (demo: Demo): DemoLines => {
  const curl = `curl -sS -w ' %{http_code}\\n' -H 'Content-Type: application/json'`;
  const generate = `${curl} -d '${JSON.stringify(otpInput(demo))}' ${generateUrl(demo)}`;
  const use = `${curl} -H "Ocp-Apim-Subscription-Key: ${demo.apiKey ?? "$KEY"}" -d '{"otp_code":"'$OTP'","invalidate_otp":true}' ${validateUrl(demo)}`;
  const makeKey = `KEY=$(curl -sS -X POST ${keyUrl(demo, "primary")}); echo "$KEY"; KEY=$(echo "$KEY" | grep -oE 'cgn_[A-Za-z0-9_-]+')`;
  const testKey =
    demo.testApiKey ?? `$(curl -sS -X POST ${keyUrl(demo, "test")} | grep -oE 'cgn_test_[A-Za-z0-9_-]+')`;
  return {
    commands: [
      ...(demo.apiKey === undefined ? [makeKey] : []),
      `OTP=$(${generate}); echo "$OTP"; OTP=$(echo "$OTP" | grep -oE '[A-Z0-9]{11}')`,
      use,
      use,
    ],
    testSettings: `export CGN_URL=${demo.baseUrl} CGN_API_KEY=${testKey}`,
  };
};

/** For Windows PowerShell 5.1 too, whose `curl` is another command, and which hands no double quote to a program. */
const toPowerShell = (demo: Demo): DemoLines => {
  const makeKey = (keyType: string): string =>
    `(Invoke-RestMethod -Method Post -Uri ${keyUrl(demo, keyType)}).api_key`;
  const input = Object.entries(otpInput(demo)).map(([name, value]) => `${name} = '${value}'`);
  const use = `Send-Json ${validateUrl(demo)} @{ otp_code = $OTP; invalidate_otp = $true } @{ 'Ocp-Apim-Subscription-Key' = ${demo.apiKey === undefined ? "$KEY" : `'${demo.apiKey}'`} }`;
  return {
    commands: [
      `function Send-Json($Uri, $Body, $Headers = @{}) { try { $Answer = Invoke-WebRequest -UseBasicParsing -Method Post -Uri $Uri -ContentType application/json -Headers $Headers -Body (ConvertTo-Json $Body); "$($Answer.Content) $($Answer.StatusCode)" } catch { "$($_.ErrorDetails.Message) $([int]$_.Exception.Response.StatusCode)" } }`,
      ...(demo.apiKey === undefined ? [`$KEY = ${makeKey("primary")}; $KEY`] : []),
      `$OTP = Send-Json ${generateUrl(demo)} @{ ${input.join("; ")} }; $OTP; $OTP = [regex]::Match($OTP, '[A-Z0-9]{11}').Value`,
      use,
      use,
    ],
    testSettings: `$env:CGN_URL = '${demo.baseUrl}'; $env:CGN_API_KEY = ${demo.testApiKey === undefined ? makeKey("test") : `'${demo.testApiKey}'`}`,
  };
};

/** With the `curl` of Windows 10 and later. Only a Windows machine can try these lines (`.github/workflows/machines.yml`). */
const toCmd = (demo: Demo): DemoLines => {
  const json = (input: object): string => `"${JSON.stringify(input).replaceAll('"', String.raw`\"`)}"`;
  const post = (url: string, input: object, header = ""): string =>
    `curl -sS -H "Content-Type: application/json" ${header}-d ${json(input)} ${url}`;
  /** Sets a variable to what stands between two double quotes of an answer, counted from 1. */
  const set = (name: string, quote: number, command: string): string =>
    `for /f tokens^=${quote}^ delims^=^" %i in ('${command}') do @set ${name}=%i`;
  const makeKey = (name: string, keyType: string): string =>
    set(name, 12, `curl -sS -X POST ${keyUrl(demo, keyType)}`);
  // The last per cent sign, because two would enclose a variable's name.
  const use = `${post(validateUrl(demo), { otp_code: "%OTP%", invalidate_otp: true }, `-H "Ocp-Apim-Subscription-Key: ${demo.apiKey ?? "%KEY%"}" `)} -w " %{http_code}\\n"`;
  return {
    commands: [
      ...(demo.apiKey === undefined ? [makeKey("KEY", "primary"), "echo %KEY%"] : []),
      set("OTP", 4, post(generateUrl(demo), otpInput(demo))),
      "echo %OTP%",
      use,
      use,
    ],
    testSettings: `set CGN_URL=${demo.baseUrl}& ${
      demo.testApiKey === undefined ? makeKey("CGN_API_KEY", "test") : `set CGN_API_KEY=${demo.testApiKey}`
    }`,
  };
};

const makers = { posix: toPosix, powershell: toPowerShell, cmd: toCmd };

export const writeDemo = (shell: Shell, demo: Demo): DemoLines => makers[shell](demo);
