// SPDX-License-Identifier: Apache-2.0
// jsforce as its manual has it used.
'use strict';
const { Connection, OAuth2 } = require('jsforce');

let connection;

function session() {
	const { accessToken, refreshToken, instanceUrl, userInfo } = connection;
	return { accessToken, refreshToken, instanceUrl, userInfo };
}

require('./calls')({
	version: () => require('jsforce/package.json').version,
	connect: (oauth2) => {
		connection = new Connection({ oauth2: new OAuth2(oauth2) });
	},
	use: (session) => {
		connection = new Connection(session);
	},
	authorizationUrl: (parameters) => connection.oauth2.getAuthorizationUrl(parameters),
	verifier: () => connection.oauth2.codeVerifier,
	authorize: async (codeOrParameters, parameters) => {
		await connection.authorize(codeOrParameters, parameters);
		return session();
	},
	session,
	identity: () => connection.identity(),
	query: (soql) => connection.query(soql),
	limits: () => connection.limits(),
	refresh: (token) => connection.oauth2.refreshToken(token),
	logout: (revoke) => connection.logout(revoke),
});
