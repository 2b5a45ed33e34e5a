/** Where the local host does not answer a hostile request as the platform does, and why it is left so. */

const fixedMethods =
  "Node's parser knows a list of methods, in capitals, and refuses all others before the host sees them";
const strictTarget = "Node's parser refuses these characters in a target";

const loopbackOnly = "the local host answers to the names of this machine only (local/same-origin.ts)";

export const hostileDifferences: Readonly<Record<string, string>> = {
  "a method in small letters": fixedMethods,
  "post in small letters": fixedMethods,
  "a method of mixed letters": fixedMethods,
  "an unknown method": fixedMethods,
  "a method of 100 letters": fixedMethods,
  "a fiscal code with a raw tab": strictTarget,
  "a path with DEL": strictTarget,
  "a path with an escape character": strictTarget,
  "an empty Host": loopbackOnly,
  "a Host with an underscore": loopbackOnly,
  "an authority, with GET": "Node's parser refuses it with 400 where Kestrel has a 405",
  "two spaces after the method": "Node's parser passes over the second space",
  "http/1.1 in small letters": "Node's parser refuses it with 400 where Kestrel has a 505",
  "Content-Length with a plus sign": "Node's parser refuses it, Kestrel reads it as a number",
  "an obsolete fold": "Node's parser joins the lines, told to be lenient; Kestrel refuses them",
  "a header name with a parenthesis":
    "Node's parser refuses the name with 400, Kestrel passes it on and the worker refuses it with 500",
  "Expect: 100-continue with the body at once":
    "the local host says that the body may come before it has seen that it is there",
  "a whole URL with an encoded slash": "Kestrel decodes the slash in a whole URL only, which no client sends",
  "a whole URL without a path":
    "the local host's own page has a character set, that of the platform has none",
};
