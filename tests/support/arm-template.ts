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
  /** Those that were used. */
  readonly values: Map<string, Json>;
  /** By the name of the loop, and `""` for that of the resource. */
  readonly indexes: Readonly<Record<string, number>>;
  /** The variables of the lambdas around an expression. */
  readonly lambdas: JsonObject;
  /** Those of the template, by their symbolic names. */
  readonly resources: JsonObject;
}

type Expression = (scope: Scope) => Json;

/** Of an expression `lambda('name', …, body)` its inputs: each call of it gives the names values. */
const lambdaInputs = new WeakMap<Expression, readonly Expression[]>();

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
    const calling: Expression = (scope) => call(token, inputs, scope);
    if (token === "lambda") {
      lambdaInputs.set(calling, inputs);
    }
    return calling;
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
    return names.length === 0
      ? outer
      : (scope) => names.reduce((value, name) => memberOf(value, name(scope)), outer(scope));
  };
  return parseExpression();
};

const functions: Readonly<Record<string, (inputs: readonly Json[]) => Json>> = {
  add: ([left, right]) => Number(left) + Number(right),
  and: (inputs) => inputs.every((input) => input === true),
  base64: ([text]) => Buffer.from(toText(text)).toString("base64"),
  coalesce: (inputs) => inputs.find((input) => input !== null) ?? null,
  concat: (inputs) => (inputs.every(isArray) ? inputs.flat() : inputs.map(toText).join("")),
  contains: ([outer = null, inner = null]) =>
    typeof outer === "string" ? outer.includes(toText(inner)) : toArray(outer).includes(inner),
  createArray: (inputs) => inputs,
  createObject: (inputs) =>
    Object.fromEntries(
      inputs.flatMap((name, index) => (index % 2 ? [] : [[toText(name), inputs[index + 1] ?? null]])),
    ),
  empty: ([value]) => ["null", '""', "[]", "{}"].includes(JSON.stringify(value)),
  endsWith: ([text, end]) => toText(text).endsWith(toText(end)),
  equals: ([left, right]) => JSON.stringify(left) === JSON.stringify(right),
  false: () => false,
  fail: ([message]) => {
    throw new Error(toText(message));
  },
  format: ([text, ...inputs]) =>
    toText(text).replaceAll(/\{(\d+)\}/g, (_, index: string) => toText(inputs[Number(index)])),
  greater: ([left, right]) => Number(left) > Number(right),
  join: ([values, between]) => toArray(values).map(toText).join(toText(between)),
  length: ([value = null]) => (typeof value === "string" ? value : toArray(value)).length,
  less: ([left, right]) => Number(left) < Number(right),
  mod: ([left, right]) => Number(left) % Number(right),
  newGuid: () => "00000000-0000-4000-8000-000000000000",
  not: ([value]) => value !== true,
  null: () => null,
  or: (inputs) => inputs.includes(true),
  parseCidr: ([range]) => ({ cidr: Number(toText(range).split("/")[1]) }),
  range: ([start, count]) => Array.from({ length: Number(count) }, (_, index) => Number(start) + index),
  replace: ([text, from, to]) => toText(text).replaceAll(toText(from), toText(to)),
  split: ([text, between]) => toText(text).split(toText(between)),
  startsWith: ([text, start]) => toText(text).startsWith(toText(start)),
  // https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-string#string
  string: ([value]) => (value === true ? "True" : value === false ? "False" : toText(value)),
  sub: ([left, right]) => Number(left) - Number(right),
  substring: ([text, start, count]) => toText(text).slice(Number(start), Number(start) + Number(count)),
  take: ([text, count]) => toText(text).slice(0, Number(count)),
  toLower: ([text]) => toText(text).toLowerCase(),
  true: () => true,
  tryGet: ([outer, name]) => at(outer, toText(name)) ?? null,
  union: (objects) => objects.reduce<JsonObject>((all, each) => ({ ...all, ...toObject(each) }), {}),
  uniqueString: () => "0123456789abc",
};

/** The id of a resource of the template. What a module gives is known by the module's name. */
const describeResource = (resource: Json | undefined, scope: Scope): string | undefined => {
  const [type = "", name = ""] = [at(resource, "type"), at(resource, "name")].map(toText);
  return resource === undefined || type === "Microsoft.Resources/deployments"
    ? undefined
    : `resourceId(${type}, ${toText(evaluate(name, scope)).replaceAll("/", ", ")})`;
};

/** What `map` and `filter` call for each value of an array, with the value and its index. */
const repeatLambda = (
  array: Json,
  lambda: Expression | undefined,
  scope: Scope,
): readonly (readonly [Json, Json])[] => {
  const inputs = lambda === undefined ? [] : (lambdaInputs.get(lambda) ?? []);
  const body = inputs.at(-1);
  const names = inputs.slice(0, -1).map((name) => toText(name(scope)));
  if (typeof array === "string" || body === undefined) {
    return [];
  }
  return toArray(array).map((value, index) => {
    const given = Object.fromEntries(names.map((name, place) => [name, place === 0 ? value : index]));
    return [value, body({ ...scope, lambdas: { ...scope.lambdas, ...given } })];
  });
};

const call = (name: string, inputs: readonly Expression[], scope: Scope): Json => {
  if (name === "if") {
    const [condition, then, otherwise] = inputs;
    return (condition?.(scope) === true ? then : otherwise)?.(scope) ?? null;
  }
  if (name === "map" || name === "filter") {
    const [first, lambda] = inputs;
    const repeated = repeatLambda(first?.(scope) ?? null, lambda, scope);
    return name === "map"
      ? repeated.map(([, made]) => made)
      : repeated.flatMap(([value, isKept]) => (isKept === true ? [value] : []));
  }
  const values = inputs.map((input) => input(scope));
  const first = toText(values[0] ?? "");
  switch (name) {
    case "parameters":
      return scope.parameters[first] ?? null;
    case "variables":
      return valueOf(first, scope);
    case "lambdaVariables":
      return scope.lambdas[first] ?? null;
    case "reference":
      return `reference(${describeResource(scope.resources[first], scope) ?? first})`;
    case "copyIndex":
      return scope.indexes[first] ?? null;
    default:
      return functions[name] ? functions[name](values) : `${name}(${values.map(toText).join(", ")})`;
  }
};

const repeat = <T>(loop: JsonObject, scope: Scope, make: (scope: Scope, index: number) => T): readonly T[] =>
  Array.from({ length: Number(evaluate(loop["count"] ?? 0, scope)) }, (_, index) =>
    make({ ...scope, indexes: { ...scope.indexes, [toText(loop["name"])]: index } }, index),
  );

const evaluateLoop = (loop: Json, scope: Scope): readonly Json[] =>
  repeat(toObject(loop), scope, (inner) => evaluate(at(loop, "input") ?? null, inner));

const valueOf = (variable: string, scope: Scope): Json => {
  const { copy = [], [variable]: declared = null } = scope.variables;
  const loop = toArray(copy).find((each) => at(each, "name") === variable);
  const value =
    scope.values.get(variable) ??
    (loop === undefined ? evaluate(declared, scope) : evaluateLoop(loop, scope));
  scope.values.set(variable, value);
  return value;
};

const evaluate = (value: Json, scope: Scope): Json => {
  if (typeof value === "string") {
    const [, escaped, expression] = /^(?:\[(\[[^]*)|\[([^]*)\])$/.exec(value) ?? [];
    return escaped ?? (expression === undefined ? value : parse(expression)(scope));
  }
  if (isArray(value)) {
    return value.map((member) => evaluate(member, scope));
  }
  if (!isObject(value)) {
    return value;
  }
  const { copy = [], ...members } = value;
  return Object.fromEntries([
    ...Object.entries(members).map(
      ([name, each]) => [toText(evaluate(name, scope)), evaluate(each, scope)] as const,
    ),
    ...toArray(copy).map((loop) => [toText(at(loop, "name")), evaluateLoop(loop, scope)] as const),
  ]);
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
  const { resources } = template;
  const outside = {
    ...{ parameters: {}, variables: {}, values: new Map<string, Json>(), indexes: {}, lambdas: {} },
    resources: isObject(resources) ? resources : {},
  };
  // The default of one can be the value of one before it.
  const parameters = Object.entries(toObject(template["parameters"] ?? {})).reduce<JsonObject>(
    (before, [name, declaration]) => {
      const value =
        given[name] ?? evaluate(at(declaration, "defaultValue") ?? null, { ...outside, parameters: before });
      if (value === null) {
        throw new Error(`${name} is not given`);
      }
      return { ...before, [name]: value };
    },
    {},
  );
  const scope = { ...outside, parameters, variables: toObject(template["variables"] ?? {}) };
  return resourcesOf(template).flatMap(({ copy, ...resource }): readonly Deployed[] => {
    const { existing = false, condition = true, type = "", properties = {} } = resource;
    if (existing === true || evaluate(condition, scope) !== true) {
      return [];
    }
    const make = (inner: Scope): readonly Deployed[] => {
      if (type === "Microsoft.Resources/deployments") {
        const inputs = Object.entries(toObject(evaluate(at(properties, "parameters") ?? {}, inner)));
        return deploy(
          toObject(at(properties, "template")),
          Object.fromEntries(inputs.map(([name, input]) => [name, at(input, "value") ?? null])),
        );
      }
      const body = toObject(evaluate(resource, inner));
      return [{ type: toText(type), name: toText(body["name"]), body }];
    };
    return isObject(copy)
      ? repeat(copy, scope, (inner, index) =>
          make({ ...inner, indexes: { ...inner.indexes, "": index } }),
        ).flat()
      : make(scope);
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
