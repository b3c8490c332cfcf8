package lab

// ActorCommand is the command of portdoc that runs [Act]. Nobody types it.
const ActorCommand = "lab-actor"
