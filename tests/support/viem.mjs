// viem as an oracle: one JSON object a line in, one out. {"op", ...} answers {"ok": ...} or {"error": text}.
import { createInterface } from "node:readline";
import { hashTypedData, keccak256, parseTransaction, serializeTransaction } from "viem";

const plain = (value) => (typeof value === "bigint" ? value.toString() : value);

const operations = {
  // The hash of signed bytes, and of what was signed, which viem builds anew from the fields it read.
  transaction({ raw }) {
    const read = parseTransaction(raw);
    const { r, s, v, yParity, ...fields } = read;
    return {
      hash: keccak256(raw),
      signing_hash: keccak256(serializeTransaction(fields)),
      serialized: serializeTransaction(fields, { r, s, v, yParity }),
      type: read.type,
    };
  },
  typedData({ document }) {
    return hashTypedData(document);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    const { op, ...parameters } = JSON.parse(line);
    reply = { ok: operations[op](parameters) };
  } catch (error) {
    reply = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(reply, (_, value) => plain(value)) + "\n");
}
