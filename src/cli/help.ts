// What --help teaches: examples that can be copied, each with a comment above.

export const about = `Get access for a while, with a second factor, and lose it on the minute.

Your access is a RoleBinding that ends by itself. An administrator says in policies what may be asked for.
Everything on the cluster is done by kubectl, with your kubeconfig.`;

export const examples = `
Examples:
  # What am I elevated to now?
  kubectl elevate

  # What may I ask for here?
  kubectl elevate policies

  # Set up a security key or passkey, once, with the ticket that an inviter handed me
  kubectl elevate enroll webauthn

  # Ask, touch the key, work
  kubectl elevate request payments-debug -j "INC-4312 pods crash-looping"

  # Longer, and done
  kubectl elevate extend
  kubectl elevate release

Exit codes: 0 done, 1 error, 2 wrong usage, 3 denied or no second factor, 4 still pending,
5 expired or revoked meanwhile, 130 given up with Ctrl-C;
run: those of its command, or 125.`;

export const request = `
Examples:
  # Ask under policy payments-debug in the current namespace; your key is asked at a page, or a code here
  kubectl elevate request payments-debug -j "INC-4312 pods crash-looping"

  # No browser here, or none that knows my key: the address is shown, the answer is pasted
  kubectl elevate request payments-debug -j "INC-4312 pods crash-looping" --paste

  # For 20 minutes, in namespace checkout
  kubectl elevate request checkout-debug -n checkout --duration 20m -j "INC-4312 pods crash-looping"

  # In a script: the code comes on stdin, never as an argument; print the object
  read-code | kubectl elevate request payments-debug -j "INC-4312" --code-stdin -o json

  # May I? Nothing is created
  kubectl elevate request payments-debug -j "INC-4312" --dry-run`;

export const prove = `
Examples:
  # Somebody wrote a manifest, you applied it: now prove that it is you who asks
  kubectl apply -f request.yaml
  kubectl elevate prove payments-debug-monday`;

export const release = `
Examples:
  # I am done: the one grant that I hold
  kubectl elevate release

  # One of several, by name
  kubectl elevate release payments-debug-7k2mx

  # All that I hold, and all that waits for a code of mine
  kubectl elevate release --all`;

export const revoke = `
Examples:
  # End somebody's access now; the justification stays in the record
  kubectl elevate revoke payments-debug-7k2mx -n payments -j "INC-4312 wrong cluster"`;

export const extend = `
Examples:
  # Another 30 minutes, or however long the policy gives: a new request, a new code
  kubectl elevate extend

  # It ended in the middle of my work: the same again, for 20 minutes
  kubectl elevate extend payments-debug-7k2mx --duration 20m`;

export const run = `
Examples:
  # A shell that is elevated; leaving it gives the access back
  kubectl elevate run payments-debug -j "INC-4312 pods crash-looping" -- bash

  # One command. The exit code is its own; 125: there was no access to run it with
  kubectl elevate run payments-debug -j "INC-4312" -- kubectl delete pod checkout-7d9f`;

export const history = `
Examples:
  # What was asked for in the last week, in all namespaces
  kubectl elevate history --since 7d

  # What did alice hold in payments?
  kubectl elevate history -n payments --requester 'oidc:alice@example.com'

  # What was cut short? Who ended it, and why: kubectl get elev -A -o wide
  kubectl elevate history --phase Revoked`;

export const status = `
Examples:
  # What do I hold, in all namespaces, and for how long?
  kubectl elevate status

  # What became of one? The exit code tells: 0 active, 3 denied, 4 pending, 5 over
  kubectl elevate status payments-debug-7k2mx

  # Warn me before it ends
  kubectl elevate status --watch`;

export const policies = `
Examples:
  # What may I ask for in the current namespace?
  kubectl elevate policies

  # And in another one?
  kubectl elevate policies -n checkout`;

export const enroll = `
Examples:
  # A security key or passkey, at the page that opens in your browser
  kubectl elevate enroll webauthn

  # Another one later: a key that you have confirms it, nobody needs to invite you
  kubectl elevate enroll webauthn

  # Shows a QR code for your authenticator app, then asks for one of its codes
  kubectl elevate enroll totp

  # The ticket comes from a file, the code from you
  kubectl elevate enroll totp --ticket-stdin < ticket.txt`;

export const invite = `
Examples:
  # Prints a ticket: hand it to alice, out of band; it is good once, for 24 hours
  kubectl elevate invite alice

  # User names are what the API server calls people: kubectl auth whoami
  kubectl elevate invite 'oidc:alice@example.com' --valid-for 2h`;

export const authenticators = `
Examples:
  # Which keys and apps do I have on this cluster, and when were they used last?
  kubectl elevate authenticators`;

export const disable = `
Examples:
  # Alice lost her key: it is good for nothing from now on
  kubectl get authenticators
  kubectl elevate disable 616c696365.key-1`;

export const verify = `
Examples:
  # Did a key agree to exactly this? And the verifier's seal, by what the cluster says
  kubectl elevate verify payments-debug-7k2mx

  # Years later, with no cluster: from files that were kept
  kubectl get elev -n payments payments-debug-7k2mx -o yaml > record.yaml
  kubectl get configmap -n elevate-system kube-elevate-trust -o yaml > trust.yaml
  kubectl elevate verify -f record.yaml --trust trust.yaml

Exit codes: 0 it holds, 3 it does not.`;

export const doctor = `
Examples:
  # Each line is ok or wrong, with what to do about it; exit code 1 where something is wrong
  kubectl elevate doctor`;
