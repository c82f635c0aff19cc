// SPDX-License-Identifier: Apache-2.0
// The library of Salesforce's own CLI, as a program under `sftoken exec --as sf` uses it: the org is the one of the environment.
'use strict';
const { execFileSync } = require('child_process');
const { ConfigAggregator, Org } = require('@salesforce/core');

let org;

function shown() {
	const connection = org.getConnection();
	return { orgId: org.getOrgId(), instanceUrl: connection.instanceUrl, usesAccessToken: connection.isUsingAccessToken() };
}

require('./calls')({
	version: () => require('@salesforce/core/package.json').version,
	create: async () => {
		org = await Org.create();
		return shown();
	},
	query: (soql) => org.getConnection().query(soql),
	request: (path) => org.getConnection().request(path),
	apiVersion: () => org.retrieveMaxApiVersion(),
	refreshAuth: () => org.refreshAuth(),
	// What a long job does when Salesforce refuses the token: it says which one, and takes the next.
	renew: async (sftoken) => {
		const rejected = ['--rejected', process.env.SFTOKEN_GENERATION];
		const token = JSON.parse(execFileSync(sftoken, ['get', '--format', 'json', ...rejected], { encoding: 'utf8' }));
		process.env.SFTOKEN_GENERATION = String(token.generation);
		process.env.SF_TARGET_ORG = token.accessToken;
		await (await ConfigAggregator.create()).reload();
		org = await Org.create();
		return token.generation;
	},
});
