/**
 * What a compiled template would deploy: its expressions evaluated as Azure Resource Manager does, as far as this project's
 * template uses them. What only Azure knows, such as the address of an account, stays the text of the expression.
 * https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax
 */
import { createHash, randomUUID } from "node:crypto";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const toJson = (value: unknown): Json => {
  if (
    value === null ||
    typeof value === "boolean" ||
    typeof value === "number" ||
    typeof value === "string"
  ) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map(toJson);
  }
  if (typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member)]));
  }
  throw new Error(`not JSON: ${typeof value}`);
};

/** What lies at a path of names, or `undefined` if there is no such thing. */
export const at = (value: Json | undefined, ...path: readonly (string | number)[]): Json | undefined =>
  path.reduce<Json | undefined>(
    (outer, name) =>
      isObject(outer)
        ? outer[name]
        : Array.isArray(outer) && typeof name === "number"
          ? toArray(outer)[name]
          : undefined,
    value,
  );

export const toObject = (value: Json | undefined): JsonObject => {
  if (!isObject(value)) {
    throw new Error(`not an object: ${JSON.stringify(value)}`);
  }
  return value;
};

export const toArray = (value: Json | undefined): readonly Json[] => {
  if (!Array.isArray(value)) {
    throw new Error(`not an array: ${JSON.stringify(value)}`);
  }
  return value.map(toJson);
};

export const toText = (value: Json | undefined): string =>
  typeof value === "string" ? value : JSON.stringify(value);

type Expression =
  | { readonly kind: "literal"; readonly value: Json }
  | { readonly kind: "call"; readonly name: string; readonly inputs: readonly Expression[] }
  | { readonly kind: "member"; readonly outer: Expression; readonly name: Expression };

/** `concat('a', parameters('b').c[0])` */
const parse = (text: string): Expression => {
  const tokens = text.match(/'(?:[^']|'')*'|-?\d+|[A-Za-z_]\w*|[().,[\]]/g) ?? [];
  let next = 0;
  const take = (expected?: string): string => {
    const token = tokens[next];
    if (token === undefined || (expected !== undefined && token !== expected)) {
      throw new Error(`expected ${expected ?? "more"} at token ${next} of ${text}`);
    }
    next += 1;
    return token;
  };
  const parsePrimary = (): Expression => {
    const token = take();
    if (token.startsWith("'")) {
      return { kind: "literal", value: token.slice(1, -1).replaceAll("''", "'") };
    }
    if (/^-?\d/.test(token)) {
      return { kind: "literal", value: Number(token) };
    }
    take("(");
    const inputs: Expression[] = [];
    while (tokens[next] !== ")") {
      inputs.push(parseExpression());
      if (tokens[next] === ",") {
        take();
      }
    }
    take(")");
    return { kind: "call", name: token, inputs };
  };
  const parseExpression = (): Expression => {
    let expression = parsePrimary();
    for (;;) {
      if (tokens[next] === ".") {
        take();
        expression = { kind: "member", outer: expression, name: { kind: "literal", value: take() } };
      } else if (tokens[next] === "[") {
        take();
        expression = { kind: "member", outer: expression, name: parseExpression() };
        take("]");
      } else {
        return expression;
      }
    }
  };
  const expression = parseExpression();
  if (next !== tokens.length) {
    throw new Error(`more than one expression in ${text}`);
  }
  return expression;
};

/** In what an expression is evaluated. */
interface Scope {
  readonly parameters: JsonObject;
  /** Not yet evaluated: one that refuses its parameters does so where it is used. */
  readonly variables: JsonObject;
  /** By the name of the loop, and `""` for the innermost. */
  readonly indexes: Readonly<Record<string, number>>;
}

export const resourceGroup = { id: "/subscriptions/s/resourceGroups/g", name: "g", location: "italynorth" };

const digest = (inputs: readonly Json[]): string =>
  createHash("sha256").update(JSON.stringify(inputs)).digest("hex");

const providerPath = (type: string, names: readonly string[]): string => {
  const [provider, ...kinds] = type.split("/");
  return `/providers/${provider}/${kinds.map((kind, index) => `${kind}/${names[index]}`).join("/")}`;
};

const functions: Readonly<Record<string, (inputs: readonly Json[]) => Json>> = {
  add: ([left, right]) => Number(left) + Number(right),
  base64: ([text]) => Buffer.from(toText(text)).toString("base64"),
  concat: (inputs) => (inputs.every(Array.isArray) ? inputs.flatMap(toArray) : inputs.map(toText).join("")),
  createArray: (inputs) => inputs,
  createObject: (inputs) =>
    Object.fromEntries(
      inputs.flatMap((name, index) => (index % 2 ? [] : [[toText(name), inputs[index + 1] ?? null]])),
    ),
  deployment: () => ({ name: "deployment" }),
  empty: ([value]) => ["null", '""', "[]", "{}"].includes(JSON.stringify(value)),
  environment: () => ({ suffixes: { storage: "core.windows.net" } }),
  equals: ([left, right]) => JSON.stringify(left) === JSON.stringify(right),
  fail: ([message]) => {
    throw new Error(toText(message));
  },
  format: ([text, ...inputs]) =>
    toText(text).replaceAll(/\{(\d+)\}/g, (_, index: string) => toText(inputs[Number(index)])),
  guid: digest,
  items: ([object]) =>
    Object.entries(toObject(object))
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, value]) => ({ key, value })),
  json: ([text]) => toJson(JSON.parse(toText(text))),
  length: ([value]) => (typeof value === "string" ? value.length : toArray(value).length),
  newGuid: () => randomUUID(),
  not: ([value]) => value !== true,
  null: () => null,
  parseCidr: ([prefix]) => ({ cidr: Number(toText(prefix).split("/")[1]) }),
  replace: ([text, from, to]) => toText(text).replaceAll(toText(from), toText(to)),
  resourceGroup: () => resourceGroup,
  resourceId: ([type, ...names]) => `${resourceGroup.id}${providerPath(toText(type), names.map(toText))}`,
  string: ([value]) => toText(value),
  subscriptionResourceId: ([type, ...names]) =>
    `/subscriptions/s${providerPath(toText(type), names.map(toText))}`,
  take: ([text, count]) => toText(text).slice(0, Number(count)),
  tenant: () => ({ tenantId: "t" }),
  uniqueString: (inputs) => digest(inputs).slice(0, 13),
};

const evaluateExpression = (expression: Expression, scope: Scope): Json => {
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "member": {
      const outer = evaluateExpression(expression.outer, scope);
      const name = evaluateExpression(expression.name, scope);
      if (typeof outer === "string") {
        return `${outer}.${toText(name)}`;
      }
      const member = at(outer, typeof name === "number" ? name : toText(name));
      if (member === undefined) {
        throw new Error(`nothing is called ${toText(name)} in ${JSON.stringify(outer)}`);
      }
      return member;
    }
    case "call": {
      const { name, inputs } = expression;
      if (name === "if") {
        const [condition, then, otherwise] = inputs;
        const chosen = condition && evaluateExpression(condition, scope) === true ? then : otherwise;
        return chosen ? evaluateExpression(chosen, scope) : null;
      }
      const values = inputs.map((input) => evaluateExpression(input, scope));
      const [first] = values;
      if (name === "parameters") {
        return at(scope.parameters, toText(first)) ?? null;
      }
      if (name === "variables") {
        const loop = loopsIn(scope.variables).find((each) => each["name"] === first);
        return loop ? repeatInput(loop, scope) : evaluate(at(scope.variables, toText(first)) ?? null, scope);
      }
      if (name === "copyIndex") {
        return scope.indexes[first === undefined ? "" : toText(first)] ?? null;
      }
      const known = functions[name];
      return known === undefined ? `${name}(${values.map(toText).join(", ")})` : known(values);
    }
  }
};

const evaluate = (value: Json, scope: Scope): Json => {
  if (typeof value === "string") {
    return value.startsWith("[[")
      ? value.slice(1)
      : value.startsWith("[") && value.endsWith("]")
        ? evaluateExpression(parse(value.slice(1, -1)), scope)
        : value;
  }
  if (Array.isArray(value)) {
    return toArray(value).map((member) => evaluate(member, scope));
  }
  if (!isObject(value)) {
    return value;
  }
  const { copy, ...members } = value;
  const evaluated = Object.entries(members).map(([name, member]): [string, Json] => [
    toText(evaluate(name, scope)),
    evaluate(member, scope),
  ]);
  const repeated = loopsIn({ copy: copy ?? null }).map((loop): [string, Json] => [
    toText(loop["name"]),
    repeatInput(loop, scope),
  ]);
  return Object.fromEntries([...evaluated, ...repeated]);
};

const repeat = <T>(loop: JsonObject, scope: Scope, make: (scope: Scope) => T): readonly T[] =>
  Array.from({ length: Number(evaluate(loop["count"] ?? 0, scope)) }, (_, index) =>
    make({ ...scope, indexes: { ...scope.indexes, "": index, [toText(loop["name"])]: index } }),
  );

/** The loops that make members of an object, or variables. */
const loopsIn = ({ copy = null }: JsonObject): readonly JsonObject[] =>
  Array.isArray(copy) ? toArray(copy).map(toObject) : [];

const repeatInput = (loop: JsonObject, scope: Scope): readonly Json[] =>
  repeat(loop, scope, (inner) => evaluate(loop["input"] ?? null, inner));

export interface Deployed {
  readonly type: string;
  readonly name: string;
  /** All that the template says of it, evaluated. */
  readonly body: JsonObject;
}

/** By name where some are referred to by name, else in a list. */
const resourcesOf = ({ resources }: JsonObject): readonly Json[] =>
  Array.isArray(resources) ? toArray(resources) : Object.values(toObject(resources));

/** The resources of a template and of its modules, in no particular order. */
export const deploy = (template: JsonObject, given: JsonObject = {}): readonly Deployed[] => {
  const declared = Object.entries(toObject(template["parameters"] ?? {}));
  const outside = { parameters: {}, variables: {}, indexes: {} };
  const parameters = Object.fromEntries(
    declared.map(([name, declaration]) => {
      const value = given[name] ?? evaluate(at(declaration, "defaultValue") ?? null, outside);
      if (value === null) {
        throw new Error(`${name} is not given`);
      }
      return [name, value];
    }),
  );
  const scope = { ...outside, parameters, variables: toObject(template["variables"] ?? {}) };
  return resourcesOf(template).flatMap((resource): readonly Deployed[] => {
    const { copy, properties, ...rest } = toObject(resource);
    const isThere = rest["existing"] !== true && evaluate(rest["condition"] ?? true, scope) === true;
    if (!isThere) {
      return [];
    }
    if (rest["type"] === "Microsoft.Resources/deployments") {
      const inputs = Object.entries(toObject(at(properties, "parameters") ?? {}));
      return deploy(
        toObject(at(properties, "template")),
        Object.fromEntries(
          inputs.map(([name, input]) => [name, at(evaluate(input, scope), "value") ?? null]),
        ),
      );
    }
    const make = (inner: Scope): Deployed => {
      const body = toObject(evaluate({ ...rest, ...(properties ? { properties } : {}) }, inner));
      return { type: toText(body["type"]), name: toText(body["name"]), body };
    };
    return isObject(copy) ? repeat(copy, scope, make) : [make(scope)];
  });
};

/** Every template in a template: itself, and its modules. */
export const templatesIn = (template: JsonObject): readonly JsonObject[] => [
  template,
  ...resourcesOf(template).flatMap((resource) => {
    const module = at(resource, "properties", "template");
    return isObject(module) ? templatesIn(module) : [];
  }),
];

export const parseJson = (text: string): JsonObject => toObject(toJson(JSON.parse(text)));
