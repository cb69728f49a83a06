package slacksim

// Sample is a small company with people in four time zones, a guest, somebody who left, and a person from another organisation. It is
// what this package's tests run on and a start for others.
func Sample() Config {
	return Config{
		Team: Team{Name: "Northwind", Domain: "northwind"},
		Users: []User{
			{Name: "ann", RealName: "Ann Ito", Title: "Platform engineer", Email: "ann@northwind.example", TZ: "Europe/Berlin"},
			{Name: "bob", RealName: "Bob Marsh", Title: "Database owner", Email: "bob@northwind.example", TZ: "America/New_York"},
			{Name: "chen", RealName: "Chen Wei", Title: "Security lead", Email: "chen@northwind.example", TZ: "Asia/Singapore", Admin: true},
			{Name: "dana", RealName: "Dana Cruz", Title: "On-call engineer", Email: "dana@northwind.example", TZ: "America/Los_Angeles"},
			{Name: "eve", RealName: "Eve Novak", Title: "Auditor", Email: "eve@northwind.example", TZ: "Europe/Berlin"},
			{Name: "finn", RealName: "Finn Olsen", Title: "Developer", Email: "finn@northwind.example", TZ: "America/New_York"},
			{Name: "gus", RealName: "Gus Guest", Email: "gus@agency.example", TZ: "UTC", Restricted: true},
			{Name: "lea", RealName: "Lea Left", Email: "lea@northwind.example", TZ: "UTC", Deleted: true},
			{Name: "sam", RealName: "Sam Stranger", TZ: "UTC", TeamID: "T0OTHERSIDE", Stranger: true},
		},
		Channels: []Channel{
			{Name: "general", Topic: "Company-wide", Members: []string{"ann", "bob", "chen", "dana", "eve", "finn"}},
			{Name: "platform", Topic: "Infrastructure and databases", Members: []string{"ann", "bob", "chen", "dana", "finn", "gus"}},
			{Name: "leads", Private: true, Members: []string{"bob", "chen"}},
			{Name: "partners", ExtShared: true, Members: []string{"ann", "sam"}},
		},
		Groups: []Group{{Handle: "dba", Name: "Database owners", Members: []string{"bob", "dana"}}},
		App: App{
			Name:     "Helper",
			Commands: []Command{{Name: "/help-me", Description: "Ask the helper", Hint: "[what you need]"}},
			Shortcuts: []Shortcut{
				{CallbackID: "start", Name: "Start"},
			},
			MessageShortcuts: []Shortcut{{CallbackID: "about", Name: "About this"}},
		},
	}
}
