// Compiles a Solidity file, which may import OpenZeppelin's contracts: node solidity.mjs FILE CONTRACT
// Prints the code that creates the contract, in hex.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import solc from "solc";

const [file, contract] = process.argv.slice(2);
const input = {
  language: "Solidity",
  sources: { "main.sol": { content: readFileSync(file, "utf8") } },
  settings: { evmVersion: "shanghai", outputSelection: { "main.sol": { [contract]: ["evm.bytecode.object"] } } },
};
const imported = (path) => ({ contents: readFileSync(join("node_modules", path), "utf8") });
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: imported }));
for (const error of output.errors ?? []) console.error(error.formattedMessage);
console.log(output.contracts["main.sol"][contract].evm.bytecode.object);
