// neon-js as an oracle: one JSON object a line in, one out. {"op", ...} answers {"ok": ...} or {"error": text}.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const { tx, sc, wallet } = createRequire(import.meta.url)("@cityofzion/neon-js");

const operations = {
  transaction({ hex, magic }) {
    const read = tx.Transaction.deserialize(hex);
    return {
      hash: read.hash(),
      message: read.getMessageForSigning(magic),
      serialized: read.serialize(true),
      json: read.export(),
    };
  },
  address({ scriptHash }) {
    return wallet.getAddressFromScriptHash(scriptHash);
  },
  multisig({ threshold, keys }) {
    const account = wallet.Account.createMultiSig(threshold, keys);
    return { address: account.address, script: account.contract.script };
  },
  account({ wif }) {
    const account = new wallet.Account(wif);
    return { address: account.address, publicKey: account.publicKey, privateKey: account.privateKey };
  },
  transfer({ contract, from, to, amount }) {
    const call = new sc.Nep17Contract(contract).transfer(from, to, amount);
    return sc.createScript(call);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    const { op, ...parameters } = JSON.parse(line);
    reply = { ok: operations[op](parameters) };
  } catch (error) {
    reply = { error: String(error?.message ?? error) };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}
