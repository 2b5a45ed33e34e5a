/**
 * What a compiled template would deploy: its expressions evaluated as Azure Resource Manager does, as far as this project's
 * template needs it. What only Azure knows, such as the address of an account, stays the text of the expression.
 * https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax
 */
import * as t from "io-ts";
import { decode } from "../../tools/support/either";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

const Json: t.Type<Json> = t.recursion("Json", () =>
  t.union([t.null, t.boolean, t.number, t.string, t.readonlyArray(Json), t.record(t.string, Json)]),
);

const isArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !isArray(value);

export const toObject = (value: Json | undefined): JsonObject => {
  if (!isObject(value)) {
    throw new Error(`not an object: ${JSON.stringify(value)}`);
  }
  return value;
};

export const toArray = (value: Json | undefined): readonly Json[] => {
  if (!isArray(value)) {
    throw new Error(`not an array: ${JSON.stringify(value)}`);
  }
  return value;
};

export const toText = (value: Json | undefined): string =>
  typeof value === "string" ? value : JSON.stringify(value);

export const parseJson = (text: string): JsonObject => toObject(decode(Json, JSON.parse(text)));

/** What lies at a path of names, or undefined if nothing does. */
export const at = (value: Json | undefined, ...path: readonly (string | number)[]): Json | undefined =>
  path.reduce<Json | undefined>(
    (outer, name) => (isArray(outer) ? outer[Number(name)] : isObject(outer) ? outer[name] : undefined),
    value,
  );

interface Scope {
  readonly parameters: JsonObject;
  /** Not yet evaluated: one that refuses its parameters does so where it is used. */
  readonly variables: JsonObject;
  /** By the name of the loop, and `""` for the innermost. */
  readonly indexes: Readonly<Record<string, number>>;
}

type Expression = (scope: Scope) => Json;

const memberOf = (outer: Json, name: Json): Json =>
  typeof outer === "string" ? `${outer}.${toText(name)}` : (at(outer, toText(name)) ?? null);

/** `concat('a', parameters('b').c[0])` */
const parse = (text: string): Expression => {
  const tokens: string[] = text.match(/'(?:[^']|'')*'|-?\d+|[A-Za-z_]\w*|[().,[\]]/g) ?? [];
  const take = (): string => {
    const token = tokens.shift();
    if (token === undefined) {
      throw new Error(`this ends too early: ${text}`);
    }
    return token;
  };
  const takeIf = (token: string): boolean => tokens[0] === token && take() === token;
  const parsePrimary = (): Expression => {
    const token = take();
    if (token.startsWith("'")) {
      return () => token.slice(1, -1).replaceAll("''", "'");
    }
    if (/^-?\d/.test(token)) {
      return () => Number(token);
    }
    const inputs: Expression[] = [];
    for (takeIf("("); !takeIf(")"); takeIf(",")) {
      inputs.push(parseExpression());
    }
    return (scope) => call(token, inputs, scope);
  };
  const parseExpression = (): Expression => {
    const outer = parsePrimary();
    const names: Expression[] = [];
    while (tokens[0] === "." || tokens[0] === "[") {
      if (take() === ".") {
        const name = take();
        names.push(() => name);
      } else {
        names.push(parseExpression());
        takeIf("]");
      }
    }
    return (scope) => names.reduce((value, name) => memberOf(value, name(scope)), outer(scope));
  };
  return parseExpression();
};

const functions: Readonly<Record<string, (inputs: readonly Json[]) => Json>> = {
  add: ([left, right]) => Number(left) + Number(right),
  base64: ([text]) => Buffer.from(toText(text)).toString("base64"),
  concat: (inputs) => (inputs.every(isArray) ? inputs.flat() : inputs.map(toText).join("")),
  createArray: (inputs) => inputs,
  createObject: (inputs) =>
    Object.fromEntries(
      inputs.flatMap((name, index) => (index % 2 ? [] : [[toText(name), inputs[index + 1] ?? null]])),
    ),
  empty: ([value]) => ["null", '""', "[]", "{}"].includes(JSON.stringify(value)),
  equals: ([left, right]) => JSON.stringify(left) === JSON.stringify(right),
  fail: ([message]) => {
    throw new Error(toText(message));
  },
  format: ([text, ...inputs]) =>
    toText(text).replaceAll(/\{(\d+)\}/g, (_, index: string) => toText(inputs[Number(index)])),
  items: ([object]) => Object.entries(toObject(object)).map(([key, value]) => ({ key, value })),
  json: ([text]) => decode(Json, JSON.parse(toText(text))),
  length: ([value]) => toArray(value).length,
  newGuid: () => "00000000-0000-4000-8000-000000000000",
  not: ([value]) => value !== true,
  null: () => null,
  replace: ([text, from, to]) => toText(text).replaceAll(toText(from), toText(to)),
  // https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-string#string
  string: ([value]) => (value === true ? "True" : value === false ? "False" : toText(value)),
  take: ([text, count]) => toText(text).slice(0, Number(count)),
  uniqueString: () => "0123456789abc",
};

const call = (name: string, inputs: readonly Expression[], scope: Scope): Json => {
  if (name === "if") {
    const [condition, then, otherwise] = inputs;
    return (condition?.(scope) === true ? then : otherwise)?.(scope) ?? null;
  }
  const values = inputs.map((input) => input(scope));
  const first = toText(values[0] ?? "");
  switch (name) {
    case "parameters":
      return scope.parameters[first] ?? null;
    case "variables":
      return membersOf(scope.variables, scope).find(([variable]) => variable === first)?.[1]() ?? null;
    case "copyIndex":
      return scope.indexes[first] ?? null;
    default:
      return functions[name] ? functions[name](values) : `${name}(${values.map(toText).join(", ")})`;
  }
};

const repeat = <T>(loop: JsonObject, scope: Scope, make: (scope: Scope) => T): readonly T[] =>
  Array.from({ length: Number(evaluate(loop["count"] ?? 0, scope)) }, (_, index) =>
    make({ ...scope, indexes: { ...scope.indexes, "": index, [toText(loop["name"])]: index } }),
  );

type Member = readonly [name: string, value: () => Json];

/** The members of an object and those that its loops make, each evaluated when it is asked for. */
const membersOf = ({ copy = [], ...members }: JsonObject, scope: Scope): readonly Member[] => [
  ...Object.entries(members).map(([name, member]): Member => [
    toText(evaluate(name, scope)),
    () => evaluate(member, scope),
  ]),
  ...toArray(copy).map((loop): Member => {
    const { name = "", input = null } = toObject(loop);
    return [toText(name), () => repeat(toObject(loop), scope, (inner) => evaluate(input, inner))];
  }),
];

const evaluate = (value: Json, scope: Scope): Json => {
  if (typeof value === "string") {
    const [, escaped, expression] = /^(?:\[(\[[^]*)|\[([^]*)\])$/.exec(value) ?? [];
    return escaped ?? (expression === undefined ? value : parse(expression)(scope));
  }
  if (isArray(value)) {
    return value.map((member) => evaluate(member, scope));
  }
  return isObject(value)
    ? Object.fromEntries(membersOf(value, scope).map(([name, member]) => [name, member()]))
    : value;
};

export interface Deployed {
  readonly type: string;
  readonly name: string;
  /** All that the template says of it, evaluated. */
  readonly body: JsonObject;
}

/** By name where some are referred to by name, else in a list. */
const resourcesOf = ({ resources }: JsonObject): readonly JsonObject[] =>
  (isArray(resources) ? resources : Object.values(toObject(resources))).map(toObject);

/** The resources of a template and of its modules, in no particular order. */
export const deploy = (template: JsonObject, given: JsonObject = {}): readonly Deployed[] => {
  const outside = { parameters: {}, variables: {}, indexes: {} };
  const parameters = Object.fromEntries(
    Object.entries(toObject(template["parameters"] ?? {})).map(([name, declaration]) => {
      const value = given[name] ?? evaluate(at(declaration, "defaultValue") ?? null, outside);
      if (value === null) {
        throw new Error(`${name} is not given`);
      }
      return [name, value];
    }),
  );
  const scope = { ...outside, parameters, variables: toObject(template["variables"] ?? {}) };
  return resourcesOf(template).flatMap(({ copy, ...resource }): readonly Deployed[] => {
    const { existing = false, condition = true, type = "", properties = {} } = resource;
    if (existing === true || evaluate(condition, scope) !== true) {
      return [];
    }
    if (type === "Microsoft.Resources/deployments") {
      const inputs = Object.entries(toObject(evaluate(at(properties, "parameters") ?? {}, scope)));
      return deploy(
        toObject(at(properties, "template")),
        Object.fromEntries(inputs.map(([name, input]) => [name, at(input, "value") ?? null])),
      );
    }
    const make = (inner: Scope): Deployed => {
      const body = toObject(evaluate(resource, inner));
      return { type: toText(type), name: toText(body["name"]), body };
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
