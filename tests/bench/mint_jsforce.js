// SPDX-License-Identifier: Apache-2.0
// What a program does that has no broker: fetches a token by jsforce, with the client credentials grant. mint_jsforce.js LOGIN_URL
'use strict';
const { OAuth2 } = require('jsforce');

const oauth2 = new OAuth2({ loginUrl: process.argv[2], clientId: 'bench', clientSecret: 'bench-secret' });
oauth2.requestToken({ grant_type: 'client_credentials' }).then((answer) => console.log(answer.access_token));
