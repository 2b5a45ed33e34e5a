import { ProblemBody } from "../../shared/http/bodies";
import { problemTypeBase } from "../../shared/http/problem";
import type { Reply } from "../../tools/support/api";
import { decode } from "../../tools/support/either";

/** Checks what the contract says about every problem. The caller checks the rest. */
export const expectProblem = (reply: Reply, status: number, name: string): void => {
  const problem = decode(ProblemBody, reply.json);
  expect({ status: reply.status, type: problem.type }).toEqual({ status, type: problemTypeBase + name });
  expect(reply.headers.get("content-type")).toBe("application/problem+json");
  expect(problem.status).toBe(status);
  expect(problem.instance).toMatch(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(problem.title).not.toBe("");
  expect(problem.detail).not.toBe("");
  expect(reply.text.length).toBeLessThanOrEqual(2048);
  if (status === 503) {
    expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  }
};
