// SPDX-License-Identifier: Apache-2.0
// The jsforce example of docs/languages.md, which stands extracted in the folder that $EXAMPLES names, as a long-lived program uses it.
'use strict';
const path = require('path');
const { connect } = require(path.join(process.env.EXAMPLES, 'query.js'));

let connection;

require('./calls')({
	connect: async (credential) => {
		connection = await connect(credential);
		return connection.instanceUrl;
	},
	query: (soql) => connection.query(soql),
	queryAlone: (soql) => {
		const { Connection } = require('jsforce');
		const { instanceUrl, accessToken } = connection;
		return new Connection({ instanceUrl, accessToken }).query(soql);
	},
});
