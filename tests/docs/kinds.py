"""What the product was tried with and how it fell short: each line's kind in our words, and what
belongs to a later issue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

KINDS: Mapping[str, Sequence[str]] = {
    "races": (
        "what is said while a review waits for an answer still counts when the deployment goes",
        "a rollback to a named version obeys the migration rule like any other",
        "going back by deploying an older version obeys it too",
        "a quarantine counts at every moment of a deployment, not only when its commit is pinned",
        "a start that was on its way does not outlive the rollback that took its place",
        (
            "a run that could not be stopped is followed to its end, and the "
            "environment is unclear so long"
        ),
        "questions that hang hold no connection and no slot that is needed to stop something",
        "a click means the version that its dialog named",
        "a rollback that comes twice goes one step back, however much happened in between",
        "a rollback's lock stands beside anybody else's",
        "a lock keeps deployments out, whatever gates are configured",
        "one person leads at any moment, and nobody is told otherwise",
        "the schedule does not overrule a lead who was named meanwhile",
        "a word is for one finding; a later or worse one is said again",
        "what waited before a failure does not start by itself into what nobody knows",
        "nothing is opened for a rollout that is being rolled back",
        "an approval counts for what it was compared with",
        "a tick changes the ticked item and no other",
        "a run is looked for at the vendor, whatever our own database knows",
        "who could approve for two rules is counted where it helps most",
        "one finding is told without contradicting what was said before",
        "nothing is asked or recorded about what was cancelled meanwhile",
        "who leads now is asked, even where an earlier lead was",
        "locks are for the eyes of those who may see the status",
        "messages that wait keep no alarm of another channel out",
        "what one person says about one place keeps its order",
        "a command that is carried out again after a crash is answered as it was",
        "what was decided long ago is not done now",
        "what is posted late is true when it is posted",
        "a comparison is kept with what it was made with",
        "no list is cut where the whole decides",
        "a cancelled run does not begin in the embedded CI",
        "unlocking takes away the lock that was seen",
        "rights are asked of the state as it is when the command is done",
    ),
    "ci-and-refs": (
        "every start needs the claim on its environment at that moment",
        "the newest version of a service is a version, and the service's own",
        "a failed check does not hide behind another of its name",
        "only the same thing run again replaces an earlier result",
        "a failure that was run again and passed is green, by App and token alike",
        "foreign text is split where its format ends records",
        "one flaky test does not make a commit undeployable",
        "a version is a name: where two commits share one, the commit is shown",
        "a clone says what its remote says now",
        "after a rollback its numbers are looked at too",
        "a tag and a branch of one name can each be named",
        "what is written otherwise is found or gets the nearest name",
        "a dialog that is open is not said to have failed",
        "a run that tested nothing does not outvote one that did",
        "what may not be read is unknown and not green",
        "whether other checks count beside the required ones is a choice",
    ),
    "trust": (
        "strangers can take nothing that others need",
        "what gives a right to go forward rests on who somebody is now",
        "what was pinned is not looked up by name again",
        "every door asks the same authority",
        "a question starts nothing, and what is started cannot read the bot's secrets",
        "foreign input is limited before it is read, and read beside the event loop",
        "a name from outside is checked like a typed one",
        "what the audit log is read by is what it proves",
        "a pipeline's gate is a second pair of eyes, and it is this deployment's gate",
        "a configuration that protects nothing is refused or named",
        "a report that is no plain file holds nobody up",
        "the files of the database are the bot's alone",
        "a payload of any shape gets an answer and is no fault",
        "a payload is ours by app, workspace and organisation",
        "finer rights: authors, two accounts, limits, channels, a second factor",
    ),
    "card-and-people": (
        "a decision is about what its card showed",
        "what ended on somebody's word or without numbers is accepted, never verified",
        "absence of proof is not told as a fact",
        "people hear that it is their turn, and how it ended",
        "what is audited is told in the thread",
        "what cannot be deployed is refused before anything is stored, to the person alone",
        "every place that shows a state shows its numbers' verdict",
        "what is ready passes what is not",
        "after a rollback the card shows the cure",
        "a typed rollback asks like the button, and judges no healthy version",
        "a message that asks is edited to its end",
        "a sentence looks at what is, and says one thing once",
        "no button is offered that cannot work for that person",
        "whoever approves sees what they approve, and refusals name people",
        "too little traffic is a decision of its own",
        "pictures, hints and rows that keep their places",
    ),
    "structure": (
        "types go through the joints of runbooks, stores and templates",
        "no sentence is a key",
        "the log is no state",
        "a provider's records are its own",
        "every rule that protects has a test that fails without it",
        "one verb is declared at one place",
        "every rule is in the domain",
        "every room stands in a contract",
        "the automatic ways back obey the rules of the others",
        "an upgrade closes no gate that nobody turned on",
        "nothing lies about that nobody calls",
    ),
    "adoption": (
        "a fresh machine installs what is pinned, next year too",
        "facts of a shared repository belong to the service",
        "doing without metrics or a schedule is a visible choice",
        "protection does not hang on an environment's name",
        "a pattern means what gitignore means",
        "one examination serves check-config, the doctor and the start",
        "the doctor looks at metrics, schedules and channels",
        "faults of the system are sentences with an exit code",
        "instructions are run by a test",
        "every call goes through the same proxy and authorities",
        "a remedy fits its fault and can be followed",
        "what can never work is said at the start",
        "the terminal can do what Slack can",
        "installed size, memory and start are within figures",
        "what teams want to configure beyond this",
        "packaging, images, schema and pages for newcomers",
    ),
    "reliability": (
        "a vendor's outage ends no stored command",
        "what is drawn is what is sent, the most urgent first",
        "Slack refusing the bot is not Slack refusing a message",
        "waiting costs next to nothing",
        "one failed look costs a rollback no minutes",
        "readiness writes, and names what is blocked",
        "a restored backup is not believed",
        "the audit log is verified in pieces",
        "operators have figures, and old rows go",
        "a notice and a burst of rollbacks are cheap",
        "what is looked for is found by an index",
        "a dead token does not keep the bot down during a deployment",
    ),
}
"""Each file of cases with the kinds of its lines, in order: what is right, in a few words."""

LATER: frozenset[str] = frozenset(
    {
        "trust-15", "card-and-people-4", "card-and-people-5",
        "card-and-people-8", "structure-1", "structure-6", "structure-7",
        "structure-11", "adoption-13", "adoption-14", "adoption-15",
        "adoption-16", "reliability-9", "reliability-10",
    }
)  # fmt: skip
"""What a later issue brings. A line that has tests already is listed with them."""

OTHERWISE: Mapping[str, str] = {
    "reliability-5": "the card says since when nothing was answered, and a rollback looks again within seconds. Where the provider can "
    "tell (embedded, Buildbot) it is then started at once. GitHub, GitLab and Jenkins list a run a "
    "moment after its start: until their "
    "lists have settled (two minutes) an absence is no proof, and a second run "
    "would be the worse fault.",
    "structure-2": "no sentence decides anything any more. One is still read for how it looks: who ended a deployment, at the beginning of "
    "its note, is printed as a mention.",
}
"""Lines that are answered in another way than asked for, and why."""
