// SPDX-License-Identifier: Apache-2.0
// Answers calls: one JSON object a line on standard input, {call, arguments}; one a line on standard output, {value} or {error: {name, message}}.
'use strict';
const readline = require('readline');

// What packages print would stand between the answers.
const answer = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

async function handle(handlers, line) {
	const { call, arguments: given } = JSON.parse(line);
	try {
		return { value: await handlers[call](...given) };
	} catch (error) {
		return { error: { name: String(error.name), message: String(error.message) } };
	}
}

// handlers: functions by name, which may be async. Ends with standard input.
module.exports = async (handlers) => {
	for await (const line of readline.createInterface({ input: process.stdin })) {
		answer(JSON.stringify(await handle(handlers, line)) + '\n');
	}
	process.exit(0);
};
